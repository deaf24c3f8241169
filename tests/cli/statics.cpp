// statics.cpp - a library that keeps 1,000 strings until its static destructor.
#include <string>
#include <vector>

static std::vector<std::string> kept;

void fill_statics();

void fill_statics()
{
    kept.assign(1000, std::string(500, 'x'));
}

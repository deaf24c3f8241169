// leaky.cpp - a program whose leak has a name, a file and a line.
#include <memory>
#include <string>
#include <thread>
#include <vector>

struct session {
    char user[1000];
};

static std::vector<session *> forgotten;

__attribute__((noinline)) session *open_session()
{
    return new session; // LEAK
}

__attribute__((noinline)) void serve(int requests)
{
    for (int i = 0; i < requests; i++) {
        session *mine = open_session();
        if (i % 10 != 0)
            delete mine;
        else
            forgotten.push_back(mine);
    }
}

int main()
{
    serve(500);
    std::thread other([] { std::make_unique<std::string>(1000, 'x'); });
    other.join();
    std::vector<session *>().swap(forgotten);
    return 0;
}

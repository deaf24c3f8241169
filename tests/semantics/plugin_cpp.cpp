/* plugin_cpp.cpp - a plugin that brings the C++ runtime into a process that had none. */
#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#define PLUGIN extern "C" __attribute__((visibility("default")))

static std::vector<std::string> words(100, std::string(100, 'w'));
static thread_local std::vector<std::string> per_thread(10, std::string(300, 't'));
static void *volatile sink;

PLUGIN void *plugin_alloc(std::size_t bytes)
{
    words.push_back(std::string(bytes, 'x'));
    return std::malloc(bytes);
}

PLUGIN void *plugin_tls(std::size_t bytes)
{
    per_thread.push_back(std::string(bytes, 'x'));
    return &per_thread;
}

PLUGIN void *plugin_catches(std::size_t bytes)
{
    try {
        sink = operator new(bytes);
    } catch (const std::bad_alloc &) {
        return &words;
    }
    return nullptr;
}

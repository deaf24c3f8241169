// throwing.cpp - blocks that are made where frames are left by exceptions: below the throw, by
// destructors on the way up, in handlers, behind them. Each kind has a size of its own and is kept.
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>

namespace
{

enum : size_t { BELOW = 101, ON_THE_WAY = 202, IN_HANDLER = 303, BEHIND = 404, ELSEWHERE = 505 };
constexpr int ROUNDS = 300, DEEPEST = 20;

void *volatile kept;

__attribute__((noinline)) void keep(size_t bytes)
{
    kept = std::malloc(bytes);
}

struct witness {
    __attribute__((noinline)) ~witness()
    {
        if (std::uncaught_exceptions() > 0)
            keep(ON_THE_WAY);
    }
};

__attribute__((noinline)) void descend(int depth)
{
    witness at_each_level;
    if (depth == 0) {
        keep(BELOW);
        throw std::runtime_error(std::string(500, 'x'));
    }
    descend(depth - 1);
    kept = nullptr; // no tail call
}

// Caught half-way, and thrown again.
__attribute__((noinline)) void pass_on(int depth)
{
    try {
        descend(depth);
    } catch (const std::exception &) {
        keep(IN_HANDLER);
        throw;
    }
}

__attribute__((noinline)) void catch_at_last(int depth)
{
    try {
        pass_on(depth);
    } catch (const std::runtime_error &) {
        keep(IN_HANDLER);
    }
    keep(BEHIND);
}

std::exception_ptr brought;

void throw_aside()
{
    try {
        descend(3);
    } catch (...) {
        brought = std::current_exception();
    }
}

__attribute__((noinline)) void catch_of_another_thread()
{
    std::thread(throw_aside).join();
    try {
        std::rethrow_exception(brought);
    } catch (const std::exception &) {
        keep(ELSEWHERE);
    }
}

} // namespace

int main()
{
    for (int i = 0; i < ROUNDS; i++)
        catch_at_last(i % DEEPEST);
    catch_of_another_thread();
    return 0;
}

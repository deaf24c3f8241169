/* startup.cpp - allocation before main, after it, and while threads and C++ objects die. */
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/semantics/check.h"

namespace
{
/* -- before main ------------------------------------------------------------------------------ */

void *before_everything;
char *in_first_constructor;

void allocate_before_constructors(int, char **, char **)
{
    before_everything = malloc(1000);
    free(realloc(malloc(10), 50000));
}
/* The dynamic linker calls these before the constructor of any library. */
__attribute__((section(".preinit_array"),
               used)) void (*preinit)(int, char **, char **) = allocate_before_constructors;

__attribute__((constructor(101))) void first_constructor()
{
    in_first_constructor = strdup("first");
}

struct table {
    std::vector<std::string> words;
    table()
    {
        for (int i = 0; i < 1000; i++)
            words.push_back("word number " + std::to_string(i));
    }
};
table early __attribute__((init_priority(102)));
table late;

void blocks_from_before_main_are_ordinary_blocks()
{
    CHECK(before_everything != nullptr);
    before_everything = realloc(before_everything, 100000);
    free(before_everything);
    CHECK(strcmp(in_first_constructor, "first") == 0);
    free(in_first_constructor);
    CHECK(early.words.size() == 1000 && early.words[999] == "word number 999");
    CHECK(late.words[500] == "word number 500");
    early.words.clear();
    early.words.shrink_to_fit();
}

/* -- after main ------------------------------------------------------------------------------- */

char *kept_until_the_end;

void allocate_at_exit()
{
    kept_until_the_end = static_cast<char *>(realloc(kept_until_the_end, 20000));
    memset(kept_until_the_end, 6, 20000);
}

__attribute__((destructor(101))) void last_destructor()
{
    if (kept_until_the_end == nullptr)
        return;
    free(malloc(300));
    if (!is_filled(kept_until_the_end, 6, 20000))
        _exit(9);
    free(kept_until_the_end);
}

void exit_with_much_to_do()
{
    kept_until_the_end = static_cast<char *>(malloc(10));
    for (int i = 0; i < 100; i++)
        CHECK(atexit(allocate_at_exit) == 0);
    exit(0);
}

void exit_handlers_and_destructors_may_allocate_and_free()
{
    for (int i = 0; i < 20; i++)
        CHECK(helper_succeeds(".exit_with_much_to_do"));
}

void quick_exit_handler()
{
    free(malloc(5000));
}

void leave_by_quick_exit()
{
    CHECK(at_quick_exit(quick_exit_handler) == 0);
    quick_exit(0);
}

void quick_exit_handlers_may_allocate()
{
    CHECK(helper_succeeds(".leave_by_quick_exit"));
}

/* -- the end of a thread ---------------------------------------------------------------------- */

struct thread_table {
    std::vector<std::unique_ptr<std::string>> words;
    ~thread_table()
    {
        for (int i = 0; i < 100; i++)
            words.push_back(std::make_unique<std::string>(200, 'y'));
        for (auto &word : words)
            if (word->size() != 200)
                _exit(9);
    }
};
thread_local thread_table per_thread;
pthread_key_t key;

void free_in_key_destructor(void *block)
{
    free(block);
    free(malloc(700));
}

void use_thread_locals()
{
    per_thread.words.push_back(std::make_unique<std::string>(200, 'x'));
    pthread_setspecific(key, malloc(100));
}

void thread_local_objects_may_allocate_while_they_die()
{
    CHECK(pthread_key_create(&key, free_in_key_destructor) == 0);
    use_thread_locals();
    for (int i = 0; i < 1000; i++) {
        std::thread thread(use_thread_locals);
        thread.join();
    }
}

void blocks_made_by_dying_threads_can_be_freed_by_others()
{
    for (int round = 0; round < 200; round++) {
        std::array<std::string, 4> results;
        std::vector<std::thread> threads;
        for (auto &result : results)
            threads.emplace_back([&result] { result = std::string(100000, 'z'); });
        for (auto &thread : threads)
            thread.join();
        for (auto &result : results)
            CHECK(result.size() == 100000 && result[99999] == 'z');
    }
}

void exceptions_cross_frames_beside_other_threads()
{
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([] {
            for (int j = 0; j < 2000; j++) {
                try {
                    std::vector<int>(10).at(static_cast<size_t>(j) + 10) = 0;
                    _exit(9);
                } catch (const std::out_of_range &error) {
                    std::string copy = error.what();
                }
            }
        });
    }
    for (auto &thread : threads)
        thread.join();
}
} // namespace

CHECK_MAIN(CASE(blocks_from_before_main_are_ordinary_blocks),
           CASE(exit_handlers_and_destructors_may_allocate_and_free), HELPER(exit_with_much_to_do),
           CASE(quick_exit_handlers_may_allocate), HELPER(leave_by_quick_exit),
           CASE(thread_local_objects_may_allocate_while_they_die),
           CASE(blocks_made_by_dying_threads_can_be_freed_by_others),
           CASE(exceptions_cross_frames_beside_other_threads))

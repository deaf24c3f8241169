/* operators.cpp - the 20 forms of operator new and delete, and the new_handler contract. */
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "tests/semantics/check.h"

namespace
{
const std::align_val_t line{64};
const std::align_val_t page{4096};

void *used(void *block, size_t alignment, size_t bytes)
{
    CHECK(block != nullptr && is_aligned(block, alignment));
    memset(block, 0x41, bytes);
    return block;
}

void every_form_of_new_is_freed_by_every_matching_form_of_delete()
{
    for (size_t n = 0; n < 100000; n = n * 3 + 1) {
        operator delete(used(operator new(n), 16, n));
        operator delete(used(operator new(n), 16, n), n);
        operator delete(used(operator new(n), 16, n), std::nothrow);
        operator delete(used(operator new(n, std::nothrow), 16, n));
        operator delete[](used(operator new[](n), 16, n));
        operator delete[](used(operator new[](n), 16, n), n);
        operator delete[](used(operator new[](n), 16, n), std::nothrow);
        operator delete[](used(operator new[](n, std::nothrow), 16, n));
    }
}

void every_aligned_form_of_new_is_freed_by_every_matching_form_of_delete()
{
    for (size_t n = 0; n < 100000; n = n * 3 + 1) {
        operator delete(used(operator new(n, line), 64, n), line);
        operator delete(used(operator new(n, page), 4096, n), n, page);
        operator delete(used(operator new(n, line), 64, n), line, std::nothrow);
        operator delete(used(operator new(n, page, std::nothrow), 4096, n), page);
        operator delete[](used(operator new[](n, line), 64, n), line);
        operator delete[](used(operator new[](n, page), 4096, n), n, page);
        operator delete[](used(operator new[](n, line), 64, n), line, std::nothrow);
        operator delete[](used(operator new[](n, page, std::nothrow), 4096, n), page);
    }
}

void *volatile null;

void deleting_null_does_nothing()
{
    operator delete(null);
    operator delete[](null);
    operator delete (null, size_t{8});
    operator delete[](null, size_t{8});
    operator delete(null, std::nothrow);
    operator delete[](null, std::nothrow);
    operator delete(null, line);
    operator delete[](null, line);
    operator delete (null, size_t{8}, line);
    operator delete[](null, size_t{8}, line);
    operator delete(null, line, std::nothrow);
    operator delete[](null, line, std::nothrow);
}

void new_of_size_zero_is_unique()
{
    void *first = operator new(hidden_size(0));
    void *second = operator new[](hidden_size(0));
    void *third = operator new(hidden_size(0), line);
    CHECK(first != nullptr && second != nullptr && third != nullptr);
    CHECK(first != second && second != third && first != third);
    operator delete(first);
    operator delete[](second);
    operator delete(third, line);
}

template <typename Call> bool throws_bad_alloc(Call call)
{
    try {
        call();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

/* What cannot be had. SIZE_MAX only from us: libstdc++'s aligned forms let it wrap around to 0. */
std::vector<size_t> too_large()
{
    std::vector<size_t> sizes{SIZE_MAX / 2 + 1, size_t{1} << 52};
    if (check_is_mpress())
        sizes.push_back(SIZE_MAX);
    return sizes;
}

void *volatile sink; /* keeps the compiler from leaving out calls whose result is not used */

void throwing_forms_throw_bad_alloc()
{
    for (size_t n : too_large()) {
        CHECK(throws_bad_alloc([&] { sink = operator new(hidden_size(n)); }));
        CHECK(throws_bad_alloc([&] { sink = operator new[](hidden_size(n)); }));
        CHECK(throws_bad_alloc([&] { sink = operator new(hidden_size(n), line); }));
        CHECK(throws_bad_alloc([&] { sink = operator new[](hidden_size(n), page); }));
    }
}

void nothrow_forms_return_null()
{
    for (size_t n : too_large()) {
        CHECK(operator new(hidden_size(n), std::nothrow) == nullptr);
        CHECK(operator new[](hidden_size(n), std::nothrow) == nullptr);
        CHECK(operator new(hidden_size(n), line, std::nothrow) == nullptr);
        CHECK(operator new[](hidden_size(n), page, std::nothrow) == nullptr);
    }
}

int handler_calls;

void give_up_at_the_third_call()
{
    if (++handler_calls == 3)
        std::set_new_handler(nullptr);
}

void the_new_handler_is_called_until_it_takes_itself_away()
{
    size_t n = hidden_size(SIZE_MAX / 2 + 1);
    for (int form = 0; form < 8; form++) {
        handler_calls = 0;
        std::set_new_handler(give_up_at_the_third_call);
        bool threw = throws_bad_alloc([&] {
            void *block = form == 0   ? operator new(n)
                          : form == 1 ? operator new[](n)
                          : form == 2 ? operator new(n, line)
                          : form == 3 ? operator new[](n, line)
                          : form == 4 ? operator new(n, std::nothrow)
                          : form == 5 ? operator new[](n, std::nothrow)
                          : form == 6 ? operator new(n, line, std::nothrow)
                                      :
                                      operator new[](n, line, std::nothrow);
            CHECK(block == nullptr);
        });
        CHECK(threw == (form < 4));
        CHECK(handler_calls == 3);
    }
}

void throw_bad_alloc()
{
    throw std::bad_alloc();
}

void throw_something_else()
{
    throw std::runtime_error("handler");
}

void nothrow_forms_swallow_the_handlers_bad_alloc()
{
    std::set_new_handler(throw_bad_alloc);
    size_t n = hidden_size(SIZE_MAX / 2 + 1);
    CHECK(operator new(n, std::nothrow) == nullptr);
    CHECK(operator new[](n, std::nothrow) == nullptr);
    CHECK(operator new(n, line, std::nothrow) == nullptr);
    CHECK(operator new[](n, line, std::nothrow) == nullptr);
    CHECK(throws_bad_alloc([&] { sink = operator new(n); }));
}

void any_exception_of_the_handler_passes_through_the_throwing_forms()
{
    std::set_new_handler(throw_something_else);
    size_t n = hidden_size(SIZE_MAX / 2 + 1);
    for (int form = 0; form < 4; form++) {
        bool caught = false;
        try {
            void *block = form == 0   ? operator new(n)
                          : form == 1 ? operator new[](n)
                          : form == 2 ? operator new(n, line)
                                      :
                                      operator new[](n, line);
            CHECK(block == nullptr);
        } catch (const std::runtime_error &error) {
            caught = strcmp(error.what(), "handler") == 0;
        }
        CHECK(caught);
    }
}

void *ballast;

void free_the_ballast()
{
    std::free(ballast);
    ballast = nullptr;
    std::set_new_handler(nullptr);
}

size_t address_space_bytes()
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != nullptr && fscanf(statm, "%lu", &pages) == 1);
    fclose(statm);
    return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

/* A heap that reserves address space may give some up at each new limit. */
void leave_a_gigabyte()
{
    for (int step = 0; step < 40; step++) {
        rlimit limit{};
        limit.rlim_cur = limit.rlim_max = address_space_bytes() + (size_t{1} << 30);
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    }
}

void a_handler_that_frees_memory_makes_new_succeed()
{
    size_t most = size_t{600} << 20;
    leave_a_gigabyte();
    ballast = std::malloc(most);
    CHECK(ballast != nullptr);
    std::set_new_handler(free_the_ballast);
    void *block = operator new(hidden_size(most));
    CHECK(block != nullptr && ballast == nullptr);
    operator delete(block);
}

void the_standard_library_works_on_it()
{
    std::map<std::string, std::vector<std::string>> words;
    size_t expected = 0;
    for (size_t i = 0; i < 20000; expected += i % 300, i++)
        words["key number " + std::to_string(i % 500)].push_back(std::string(i % 300, 'x'));
    size_t bytes = 0;
    for (const auto &entry : words)
        for (const auto &word : entry.second)
            bytes += word.size();
    CHECK(bytes == expected);
    auto shared = std::make_shared<std::vector<int>>(100000, 5);
    std::weak_ptr<std::vector<int>> weak = shared;
    shared.reset();
    CHECK(weak.expired());
}

struct alignas(128) overaligned {
    char bytes[200];
};

void overaligned_types_get_their_alignment()
{
    std::vector<std::unique_ptr<overaligned>> kept;
    for (int i = 0; i < 1000; i++) {
        kept.push_back(std::make_unique<overaligned>());
        CHECK(is_aligned(kept.back().get(), 128));
    }
    std::unique_ptr<overaligned[]> array(new overaligned[77]);
    CHECK(is_aligned(array.get(), 128));
}

void a_constructor_that_throws_gives_the_block_back()
{
    struct thrower {
        char bytes[1000];
        thrower()
        {
            throw std::runtime_error("constructor");
        }
    };
    for (int i = 0; i < 1000; i++) {
        bool caught = false;
        try {
            delete new thrower;
        } catch (const std::runtime_error &) {
            caught = true;
        }
        CHECK(caught);
    }
}
} // namespace

CHECK_MAIN(CASE(every_form_of_new_is_freed_by_every_matching_form_of_delete),
           CASE(every_aligned_form_of_new_is_freed_by_every_matching_form_of_delete),
           CASE(deleting_null_does_nothing), CASE(new_of_size_zero_is_unique),
           CASE(throwing_forms_throw_bad_alloc), CASE(nothrow_forms_return_null),
           CASE(the_new_handler_is_called_until_it_takes_itself_away),
           CASE(nothrow_forms_swallow_the_handlers_bad_alloc),
           CASE(any_exception_of_the_handler_passes_through_the_throwing_forms),
           CASE(a_handler_that_frees_memory_makes_new_succeed),
           CASE(the_standard_library_works_on_it), CASE(overaligned_types_get_their_alignment),
           CASE(a_constructor_that_throws_gives_the_block_back))

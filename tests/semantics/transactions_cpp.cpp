// transactions_cpp.cpp - mpress.hpp, with the library and without it.
#include <mpress.hpp>

#include <map>
#include <string>
#include <vector>

#include "tests/semantics/check.h"

static void containers_live_in_a_transaction()
{
    mpress::transaction outer("outer");
    std::pmr::vector<std::pmr::string> kept(&outer);
    {
        mpress::transaction inner(outer, "inner", 1000);
        std::pmr::map<int, std::pmr::string> numbers(&inner);
        for (int i = 0; i < 1000; i++)
            numbers.emplace(i, "a text that is too long for the string itself");
        for (int i = 0; i < 1000; i += 100)
            kept.emplace_back(numbers.at(i));
    }
    CHECK(kept.size() == 10 && kept[9] == "a text that is too long for the string itself");
    kept.clear();
    if (mpress_txn_begin != nullptr) {
        struct mpress_txn_stats stats;
        mpress_txn_stats(outer.get(), &stats);
        CHECK(stats.blocks >= 10);
    }
}

static void what_was_committed_outlives_the_scope()
{
    mpress::transaction outer("outer");
    std::pmr::string *text = nullptr;
    {
        mpress::transaction inner(outer, "inner");
        void *p = inner.allocate(sizeof(*text), alignof(std::pmr::string));
        text = new (p) std::pmr::string("a text that is too long for the string itself", &inner);
        inner.commit();
        inner.rollback(); // does nothing
    }
    CHECK(*text == "a text that is too long for the string itself");
}

static void it_ends_once()
{
    mpress::transaction txn("ends");
    txn.commit();
    try {
        (void)txn.allocate(1, 1);
        CHECK(!"thrown");
    } catch (const std::bad_alloc &) {
    }
}

CHECK_MAIN(CASE(containers_live_in_a_transaction), CASE(what_was_committed_outlives_the_scope),
           CASE(it_ends_once))

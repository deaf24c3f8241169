/* mpress.hpp - transactions (mpress_txn.h) for C++17: one that ends with its scope, and a memory
 * resource for the containers of std::pmr.
 *
 *     mpress::transaction request("request");
 *     std::pmr::vector<int> numbers(&request);       its memory is the transaction's
 *     ...
 *     request.commit();                              else it is rolled back at the end of the scope
 *
 * Destroy what lives in it first: declare it first. In a program that runs without the library the
 * same code works on std::pmr::monotonic_buffer_resource. */
#ifndef MPRESS_HPP
#define MPRESS_HPP

#include <cstddef>
#include <memory_resource>
#include <new>
#include <optional>

#include <mpress_txn.h>

namespace mpress
{

class transaction : public std::pmr::memory_resource
{
  public:
    /* The arguments of mpress_txn_begin. Throws std::bad_alloc. */
    explicit transaction(const char *name, std::size_t expected_bytes = 0)
    {
        begin(nullptr, name, expected_bytes);
    }

    transaction(transaction &parent, const char *name, std::size_t expected_bytes = 0)
    {
        begin(&parent, name, expected_bytes);
    }

    transaction(const transaction &) = delete;
    transaction &operator=(const transaction &) = delete;

    ~transaction() override
    {
        rollback();
    }

    /* It takes no more memory afterwards. A second call does nothing. */
    void commit()
    {
        end(mpress_txn_commit);
    }
    void rollback()
    {
        end(mpress_txn_rollback);
    }

    /* For the functions of mpress_txn.h; nullptr: it has ended, or the program runs without. */
    mpress_txn *get() const
    {
        return txn_;
    }

  private:
    void begin(transaction *parent, const char *name, std::size_t expected_bytes)
    {
        if (mpress_txn_begin == nullptr) {
            parent_ = parent;
            if (parent == nullptr)
                without_.emplace();
            return;
        }
        txn_ = mpress_txn_begin(parent != nullptr ? parent->txn_ : nullptr, name, expected_bytes);
        if (txn_ == nullptr)
            throw std::bad_alloc();
    }

    void end(void (*how)(mpress_txn *))
    {
        if (txn_ != nullptr)
            how(txn_);
        txn_ = nullptr;
        parent_ = nullptr;
        without_.reset();
    }

    void *do_allocate(std::size_t bytes, std::size_t alignment) override
    {
        if (parent_ != nullptr) /* without the library a child's blocks are its parent's at once */
            return parent_->allocate(bytes, alignment);
        if (without_)
            return without_->allocate(bytes, alignment);
        void *p = txn_ != nullptr ? mpress_txn_alloc(txn_, bytes, alignment) : nullptr;
        if (p == nullptr)
            throw std::bad_alloc();
        return p;
    }

    void do_deallocate(void *, std::size_t, std::size_t) override
    {
    }

    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
    {
        return this == &other;
    }

    mpress_txn *txn_ = nullptr;
    transaction *parent_ = nullptr; /* without the library only */
    std::optional<std::pmr::monotonic_buffer_resource> without_;
};

} // namespace mpress
#endif

#include "base/buffer_pool.h"

#include <random>
#include <string>
#include <vector>

#include "test/test.h"

using namespace sluice;

TEST("a buffer pool gives the smallest size that holds what is asked for, and nothing beyond") {
  BufferPool pool;
  for (const std::size_t size : BufferPool::kSizes) {
    for (const std::size_t asked : {size - 1, size}) {
      std::size_t capacity = 0;
      char* buffer = pool.take(asked, capacity);
      CHECK(buffer != nullptr);
      CHECK_EQ(capacity, size);
      // All of it is there to be written.
      std::memset(buffer, 'x', capacity);
      pool.give(buffer, capacity);
    }
  }
  std::size_t capacity = 0;
  CHECK(pool.take(BufferPool::kLargest + 1, capacity) == nullptr);
}

TEST("a buffer pool hands out again what it was given back, last in first out") {
  BufferPool pool;
  std::size_t capacity = 0;
  char* first = pool.take(100, capacity);
  char* second = pool.take(100, capacity);
  CHECK(first != second);
  pool.give(first, capacity);
  pool.give(second, capacity);
  CHECK_EQ(pool.take(100, capacity), second);
  CHECK_EQ(pool.take(100, capacity), first);
  pool.give(first, capacity);
  pool.give(second, capacity);
}

TEST("a buffer pool keeps no more than its bound and frees the rest") {
  BufferPool pool;
  std::vector<char*> taken;
  std::size_t capacity = 0;
  for (std::size_t i = 0; i < BufferPool::kKeep.back() + 8; ++i) {
    taken.push_back(pool.take(BufferPool::kLargest, capacity));
  }
  // The leak checker and the address checker judge this: what is kept is reused, what is not is
  // gone.
  for (char* buffer : taken) {
    pool.give(buffer, capacity);
  }
  CHECK_EQ(pool.take(BufferPool::kLargest, capacity), taken[BufferPool::kKeep.back() - 1]);
  pool.give(taken[BufferPool::kKeep.back() - 1], capacity);
}

TEST("a byte queue behaves as text does under any mix of appending and consuming") {
  BufferPool pool;
  ByteQueue queue;
  std::string model;
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 2 == 0) {
      const std::string bytes(random() % (random() % 50 == 0 ? 60'000 : 900),
                              static_cast<char>('a' + random() % 26));
      const bool fits = model.size() + bytes.size() <= BufferPool::kLargest;
      CHECK_EQ(queue.append(pool, bytes), fits);
      model += fits ? bytes : "";
    } else if (!model.empty()) {
      const std::size_t n = random() % (model.size() + 1);
      queue.consume(pool, n);
      model.erase(0, n);
    }
    if (queue.view() != model) {
      test::fail(__FILE__, __LINE__, "the queue differs in step " + std::to_string(i));
      break;
    }
    CHECK_EQ(queue.isEmpty(), model.empty());
    CHECK_EQ(queue.size(), model.size());
  }
  queue.clear(pool);
}

TEST("an empty byte queue holds no buffer, and one that is too full takes nothing") {
  BufferPool pool;
  ByteQueue queue;
  CHECK(queue.append(pool, ""));
  CHECK(queue.append(pool, std::string(BufferPool::kLargest, 'x')));
  CHECK(!queue.append(pool, "y"));
  CHECK_EQ(queue.size(), BufferPool::kLargest);
  std::size_t capacity = 0;
  queue.consume(pool, BufferPool::kLargest);
  // Its buffer is the pool's again.
  char* buffer = pool.take(BufferPool::kLargest, capacity);
  CHECK(queue.append(pool, std::string(BufferPool::kLargest, 'z')));
  CHECK(queue.view().data() != buffer);
  queue.clear(pool);
  pool.give(buffer, capacity);
}

TEST("a byte queue that adopts another's bytes leaves it empty and usable") {
  BufferPool pool;
  ByteQueue from;
  ByteQueue to;
  CHECK(from.append(pool, "0hello"));
  from.consume(pool, 1);
  to.adopt(from);
  CHECK(from.isEmpty());
  CHECK_EQ(to.view(), "hello");
  CHECK(from.append(pool, "again"));
  CHECK_EQ(from.view(), "again");
  CHECK_EQ(to.view(), "hello");
  from.clear(pool);
  to.clear(pool);
}

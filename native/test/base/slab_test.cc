#include "base/slab.h"

#include <cstdint>
#include <set>
#include <vector>

#include "test/test.h"

using namespace sluice;

namespace {

struct alignas(128) Thing {
  explicit Thing(int* count) : count_(count) { ++*count_; }
  Thing(const Thing&) = delete;
  Thing& operator=(const Thing&) = delete;
  ~Thing() { --*count_; }

 private:
  int* count_;
};

} // namespace

TEST("a slab makes as many objects as are asked for, each aligned and with a place of its own") {
  int living = 0;
  Slab<Thing, 4> slab;
  std::set<Thing*> made;
  for (int i = 0; i < 100; ++i) {
    Thing* thing = slab.make(&living);
    CHECK(thing != nullptr);
    void* place = thing;
    std::size_t space = sizeof(Thing);
    CHECK_EQ(std::align(alignof(Thing), sizeof(Thing), place, space), static_cast<void*>(thing));
    made.insert(thing);
  }
  CHECK_EQ(made.size(), 100U);
  CHECK_EQ(slab.live(), 100U);
  CHECK_EQ(living, 100);
  for (Thing* thing : made) {
    slab.destroy(thing);
  }
  CHECK_EQ(slab.live(), 0U);
  CHECK_EQ(living, 0);
}

TEST("a slab uses the places of the dead again before it grows") {
  int living = 0;
  Slab<Thing, 4> slab;
  std::vector<Thing*> things;
  for (int i = 0; i < 4; ++i) {
    things.push_back(slab.make(&living));
  }
  const std::set<Thing*> first(things.begin(), things.end());
  for (int round = 0; round < 3; ++round) {
    for (Thing* thing : things) {
      slab.destroy(thing);
    }
    things.clear();
    for (int i = 0; i < 4; ++i) {
      things.push_back(slab.make(&living));
    }
    CHECK(std::set<Thing*>(things.begin(), things.end()) == first);
  }
  for (Thing* thing : things) {
    slab.destroy(thing);
  }
}

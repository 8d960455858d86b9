// What the process holds of the kernel, to be counted before something and again when it has ended.
#pragma once

#include <dirent.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace sluice::test {

inline std::size_t countEntries(const char* folder) {
  std::size_t count = 0;
  DIR* listing = ::opendir(folder);
  if (listing == nullptr) {
    std::perror(folder);
    std::abort();
  }
  while (::readdir(listing) != nullptr) {
    ++count;
  }
  ::closedir(listing);
  return count;
}

struct Held {
  std::size_t descriptors = countEntries("/proc/self/fd");
  std::size_t threads = countEntries("/proc/self/task");
};

/// For facts of other threads, which announce themselves by no event.
template<typename Claim>
bool eventually(Claim claim) {
  for (int i = 0; i < 5000; ++i) {
    if (claim()) {
      return true;
    }
    ::usleep(1000);
  }
  return false;
}

/// Says so on standard error when it does not. The kernel may list a thread for a moment after it
/// was joined, before as well as now.
inline bool holdsAgain(const Held& before) {
  const bool holds = eventually([&] {
    const Held now;
    return now.descriptors == before.descriptors && now.threads <= before.threads;
  });
  if (!holds) {
    const Held now;
    std::fprintf(stderr, "held before: %zu descriptors, %zu threads; now: %zu, %zu\n",
                 before.descriptors, before.threads, now.descriptors, now.threads);
  }
  return holds;
}

} // namespace sluice::test

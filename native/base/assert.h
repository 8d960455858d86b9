// SLUICE_ASSERT checks our own invariants in debug and sanitizer builds. It is never used for what
// a client, a target, the kernel or a user can cause: those are errors as values.
#pragma once

#ifdef SLUICE_DEBUG
#include <cstdio>
#include <cstdlib>
#define SLUICE_ASSERT(condition)                                                                   \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      std::fprintf(stderr, "%s:%d: invariant broken: %s\n", __FILE__, __LINE__, #condition);       \
      std::abort();                                                                                \
    }                                                                                              \
  } while (false)
#else
#define SLUICE_ASSERT(condition) static_cast<void>(0)
#endif

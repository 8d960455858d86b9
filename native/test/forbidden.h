// A process that may not make one system call, as in a container whose filter forbids it.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>

#include "test/test.h"

namespace sluice::test {

/// From now on the kernel answers EPERM to this process's thread. False where no filter can be set.
inline bool forbid(int call) {
  sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = std::size(steps), .filter = steps};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/// `isRight` holds in a child of this process that may not make the call.
template<typename Claim>
void checkWithout(int call, Claim isRight) {
  constexpr int kNoFilter = 2;
  const pid_t child = ::fork();
  CHECK(child >= 0);
  if (child == 0) {
    ::_exit(!forbid(call) ? kNoFilter : isRight() ? 0 : 1);
  }
  int status = 0;
  CHECK_EQ(::waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoFilter) {
    std::printf("native: SKIPPED without system call %d: no seccomp filter can be set here\n",
                call);
    return;
  }
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

} // namespace sluice::test

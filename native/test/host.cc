// The native engine in a process of its own, without Node, so that it can be built with sanitizers
// and driven by the same suites as the addon (test/support/host-addon.ts is the other side). `host
// WORKERS [LOOP]` reads requests from descriptor 3 and answers each on descriptor 4 at once; `host
// --abi` prints the codes table it was built with.
//
// A request is a verb (one byte), a length (32 bits) and so many bytes; an answer is a length and
// bytes. Numbers are in this machine's order. The verbs are those of src/engine/native/addon.d.ts.
// The host ends when its requests do: it frees everything and exits 0, or 3 if the engine left a
// descriptor or a thread behind.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "test/held.h"
#include "worker/engine.h"

using namespace sluice;

namespace {

constexpr int kRequests = 3;
constexpr int kAnswers = 4;
/// An engine that takes longer than this to close hangs: the alarm ends the host, which fails the
/// test.
constexpr unsigned kClosePatienceSeconds = 60;
/// More entities than a suite's plan has.
constexpr std::size_t kMaxEntities = 1024;
constexpr std::uint32_t kAll = 0xffff'ffff;

/// False at the end of the requests.
bool readExactly(std::span<std::uint8_t> into) {
  while (!into.empty()) {
    const ssize_t got = ::read(kRequests, into.data(), into.size());
    if (got <= 0) {
      return false;
    }
    into = into.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

bool writeAll(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(kAnswers, bytes.data(), bytes.size());
    if (put <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

class Answer {
 public:
  template<typename T>
  void number(T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    bytes_.append(bytes, sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    bytes_.append(value);
  }
  void doubles(std::span<const double> values) {
    for (const double value : values) {
      number(value);
    }
  }
  [[nodiscard]] bool send() const {
    std::string whole(sizeof(std::uint32_t), 0);
    const auto length = static_cast<std::uint32_t>(bytes_.size());
    std::memcpy(whole.data(), &length, sizeof length);
    return writeAll(whole.append(bytes_));
  }

 private:
  std::string bytes_;
};

std::uint32_t numberOf(std::span<const std::uint8_t> payload) {
  std::uint32_t value = 0;
  if (payload.size() == sizeof value) {
    std::memcpy(&value, payload.data(), sizeof value);
  }
  return value;
}

void applied(const worker::Applied& result, Answer& answer) {
  answer.number(static_cast<std::uint8_t>(result.failure));
  if (result.failure != worker::FailureKind::None) {
    answer.number(result.listener);
    answer.text(result.errorName);
    answer.text(result.detail);
    return;
  }
  for (const std::uint16_t port : result.ports) {
    answer.number(port);
  }
}

/// `stride` doubles an entity; kAll asks for as many as there are.
template<typename Copy>
void facts(std::uint32_t length, std::size_t stride, Answer& answer, Copy copy) {
  std::vector<double> into(length == kAll ? 0 : length);
  std::size_t written = copy(std::span<double>(into));
  while (length == kAll && written == 0 && into.size() < kMaxEntities * stride) {
    into.resize(into.size() + stride);
    written = copy(std::span<double>(into));
  }
  answer.doubles(std::span<const double>(into).first(written));
}

std::uint64_t questionOf(std::span<const std::uint8_t> payload) {
  std::uint64_t question = 0;
  std::memcpy(&question, payload.data(), sizeof question);
  return question;
}

/// The question, an error, a time in milliseconds, and 17 bytes an address.
bool answerName(worker::Engine& engine, std::span<const std::uint8_t> payload) {
  constexpr std::size_t kHead = sizeof(std::uint64_t) + 1 + sizeof(std::uint32_t);
  constexpr std::size_t kAddress = 17;
  if (payload.size() < kHead || (payload.size() - kHead) % kAddress != 0) {
    return false;
  }
  upstream::NameAnswer found;
  found.error = static_cast<Errc>(payload[sizeof(std::uint64_t)]);
  found.ttlMs = numberOf(payload.subspan(sizeof(std::uint64_t) + 1, sizeof(std::uint32_t)));
  for (std::size_t at = kHead; at < payload.size(); at += kAddress) {
    net::IpPort address;
    address.family = static_cast<AddressFamily>(payload[at]);
    std::copy_n(payload.begin() + static_cast<std::ptrdiff_t>(at + 1), address.bytes.size(),
                address.bytes.begin());
    found.addresses.push_back(address);
  }
  engine.answerName(questionOf(payload), std::move(found));
  return true;
}

/// False for a verb that nobody knows.
bool carryOut(worker::Engine& engine, char verb, std::span<const std::uint8_t> payload,
              Answer& answer) {
  switch (verb) {
  case 'a':
    applied(engine.apply(payload), answer);
    return true;
  case 'l':
    answer.number(static_cast<std::uint8_t>(engine.loop().kind));
    answer.text(engine.loop().problem);
    return true;
  case 'k':
    answer.text(worker::Engine::kernelTlsProblem());
    return true;
  case 's':
    answer.number(static_cast<std::uint8_t>(engine.isSettled()));
    return true;
  case 'n':
    facts(numberOf(payload), kStatsStride, answer,
          [&](std::span<double> into) { return engine.snapshot(into); });
    return true;
  case 't':
    facts(numberOf(payload), 2, answer,
          [&](std::span<double> into) { return engine.targetStates(into); });
    return true;
  case 'u':
    facts(numberOf(payload), 6, answer,
          [&](std::span<double> into) { return engine.userStates(into); });
    return true;
  case 'q':
    for (const upstream::Question& question : engine.takeQuestions()) {
      answer.number(question.id);
      answer.number(static_cast<std::uint8_t>(question.kind));
      answer.text(question.subject);
      answer.text(question.name);
      answer.text(question.password);
    }
    return true;
  case 'N':
    return answerName(engine, payload);
  case 'P':
    if (payload.size() != sizeof(std::uint64_t) + 1) {
      return false;
    }
    engine.answerPassword(questionOf(payload), payload.back() != 0);
    return true;
  case 'd':
    engine.drain();
    return true;
  case 'o':
    answer.number(engine.openFlows());
    return true;
  case 'c':
    ::alarm(kClosePatienceSeconds);
    engine.close();
    ::alarm(0);
    return true;
  default:
    return false;
  }
}

/// Serves until the requests end. False when they make no sense or nobody takes the answers.
bool serve(worker::Engine& engine) {
  std::vector<std::uint8_t> payload;
  for (;;) {
    std::uint8_t head[5];
    if (!readExactly(head)) {
      return true;
    }
    payload.resize(numberOf(std::span(head).subspan(1)));
    Answer answer;
    if (!readExactly(payload) || !carryOut(engine, static_cast<char>(head[0]), payload, answer) ||
        !answer.send()) {
      return false;
    }
  }
}

} // namespace

int main(int argc, char** argv) {
  const std::string_view argument = argc > 1 ? argv[1] : "";
  const std::string_view loop = argc > 2 ? argv[2] : "auto";
  if (argument == "--abi") {
    std::printf("%.*s\n", static_cast<int>(kAbi.size()), kAbi.data());
    return 0;
  }
  const auto workers = static_cast<std::uint32_t>(std::strtoul(argument.data(), nullptr, 10));
  const bool isLoop = loop == "auto" || loop == "epoll" || loop == "io_uring";
  if (workers < 1 || workers > 256 || !isLoop) {
    std::fprintf(stderr, "usage: host WORKERS [auto | epoll | io_uring] | host --abi\n");
    return 2;
  }
  // A sanitizer may begin a thread of its own together with the first.
  std::thread([] {}).join();
  const test::Held before;
  bool isServed = false;
  {
    worker::Engine engine(workers, loop == "auto"       ? worker::LoopWish::Auto
                                   : loop == "io_uring" ? worker::LoopWish::IoUring
                                                        : worker::LoopWish::Epoll);
    isServed = serve(engine);
    ::alarm(kClosePatienceSeconds);
  }
  ::alarm(0);
  if (!test::holdsAgain(before)) {
    return 3;
  }
  return isServed ? 0 : 2;
}

// Native work in C++ loops: what a parse, a route, a pick, a look-up in a list or a forwarded head
// costs without a crossing from JavaScript. A stand-alone program that src/bench/native-loops.ts drives: each line
// on standard input is a question, each line on standard output its answer, a JSON object.
//
//   plan BYTES                       that many bytes of an encoded plan follow
//   head BYTES                       that many bytes of a request head follow; answers how it reads
//   parse MICROSECONDS               parses the head for that long
//   route LISTENER HOST PATH MICROSECONDS
//   forward ROUTE TARGET MICROSECONDS
//   hosts BYTES                      that many bytes of hosts follow, each with its newline
//   lookup LIST MICROSECONDS         looks the hosts up in a list, one after another; answers how
//                                    many are in it, and the sum of their places
//   spread POOL SEED PICKS WINDOW    picks for clients 0, 1, 2, ... and answers the count of each
//                                    target; of the work, the last WINDOW pieces are in flight
//   pick POOL MICROSECONDS           picks; the loads are those that the last spread left
//   moved POOL POOL CLIENTS          the share of clients whose target has another name
//
// An answer that holds `problem` says what was wrong with the question.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "micro/round.h"
#include "micro/work.h"

namespace sluice::micro {
namespace {

/// Clients that take turns while a pick is measured.
constexpr std::uint32_t kClients = 4096;
/// More than any plan or head of a bench.
constexpr std::uint64_t kMaxBytes = std::uint64_t{256} << 20;
constexpr std::uint64_t kMaxMicroseconds = 60'000'000;

void problem(const char* what) {
  std::printf("{\"problem\":\"%s\"}\n", what);
}

void answer(const Round& round) {
  std::printf("{\"ns\":%.6g,\"ops\":%llu}\n", round.nsPerOp,
              static_cast<unsigned long long>(round.ops));
}

/// Any bytes, as the inside of a JSON string.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f && c != '"' && c != '\\') {
      out += c;
      continue;
    }
    char code[8];
    std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(byte));
    out += code;
  }
  return out;
}

using Words = std::vector<std::string_view>;

Words wordsOf(std::string_view line) {
  Words words;
  while (!line.empty()) {
    const std::size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    line = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  }
  return words;
}

/// The numbers of a question; the first that is none, or too large, spoils the lot.
class Numbers {
 public:
  explicit Numbers(const Words& words) : words_(words) {}
  [[nodiscard]] std::uint64_t at(std::size_t i, std::uint64_t limit) {
    std::uint64_t value = 0;
    const std::string_view word = i < words_.size() ? words_[i] : std::string_view();
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    areGood_ = areGood_ && error == std::errc() && end == word.data() + word.size() &&
               !word.empty() && value < limit;
    return areGood_ ? value : 0;
  }
  [[nodiscard]] std::uint64_t roundNs(std::size_t i) { return at(i, kMaxMicroseconds) * 1000; }
  [[nodiscard]] bool areGood() const { return areGood_; }

 private:
  const Words& words_;
  bool areGood_ = true;
};

bool readBytes(std::uint64_t count, std::string& into) {
  into.resize(count);
  return std::fread(into.data(), 1, count, stdin) == count;
}

class Program {
 public:
  void serve(std::string_view line) {
    const Words words = wordsOf(line);
    const std::string_view verb = words.empty() ? std::string_view() : words[0];
    if (verb == "plan") {
      takePlan(words);
    } else if (!work_.hasPlan()) {
      problem("no plan yet");
    } else if (verb == "head") {
      takeHead(words);
    } else if (verb == "parse") {
      parse(words);
    } else if (verb == "route") {
      route(words);
    } else if (verb == "forward") {
      forward(words);
    } else if (verb == "hosts") {
      takeHosts(words);
    } else if (verb == "lookup") {
      lookUp(words);
    } else if (verb == "spread") {
      spread(words);
    } else if (verb == "pick") {
      pick(words);
    } else if (verb == "moved") {
      moved(words);
    } else {
      problem("unknown question");
    }
    std::fflush(stdout);
  }

 private:
  void takePlan(const Words& words) {
    Numbers numbers(words);
    const std::uint64_t size = numbers.at(1, kMaxBytes);
    std::string bytes;
    if (!numbers.areGood() || !readBytes(size, bytes)) {
      return problem("plan BYTES, and as many bytes");
    }
    const std::vector<std::uint8_t> plan(bytes.begin(), bytes.end());
    const std::string wrong = work_.takePlan(plan);
    if (!wrong.empty()) {
      return problem(escaped(wrong).c_str());
    }
    std::printf("{\"routes\":%zu,\"pools\":%zu}\n", work_.plan().routes.size(),
                work_.plan().pools.size());
  }

  void takeHead(const Words& words) {
    Numbers numbers(words);
    const std::uint64_t size = numbers.at(1, kMaxBytes);
    std::string bytes;
    if (!numbers.areGood() || !readBytes(size, bytes)) {
      return problem("head BYTES, and as many bytes");
    }
    const std::string wrong = work_.takeHead(bytes);
    if (!wrong.empty()) {
      return problem(wrong.c_str());
    }
    const http::RequestHead& head = work_.head();
    std::printf("{\"method\":\"%s\",\"target\":\"%s\",\"fields\":[", escaped(head.method).c_str(),
                escaped(head.target).c_str());
    const char* separator = "";
    for (const http::Field& field : head.fields) {
      std::printf("%s\"%s\",\"%s\"", separator, escaped(field.name).c_str(),
                  escaped(field.value).c_str());
      separator = ",";
    }
    std::printf("]}\n");
  }

  void parse(const Words& words) {
    Numbers numbers(words);
    const std::uint64_t roundNs = numbers.roundNs(1);
    if (!numbers.areGood() || !work_.hasHead()) {
      return problem("parse MICROSECONDS, after a head");
    }
    const std::string_view bytes = work_.headBytes();
    answer(measureRound(roundNs, [&](std::uint32_t) { keep(work_.parse(bytes)); }));
  }

  void route(const Words& words) {
    Numbers numbers(words);
    const plan::Plan& plan = work_.plan();
    const std::uint64_t listener = numbers.at(1, plan.listeners.size());
    const std::uint64_t roundNs = numbers.roundNs(4);
    if (!numbers.areGood()) {
      return problem("route LISTENER HOST PATH MICROSECONDS");
    }
    const plan::Listener& one = plan.listeners[listener];
    const std::int32_t found = work_.route(one, words[2], words[3]);
    const Round round =
        measureRound(roundNs, [&](std::uint32_t) { keep(work_.route(one, words[2], words[3])); });
    std::printf("{\"route\":%d,\"ns\":%.6g,\"ops\":%llu}\n", found, round.nsPerOp,
                static_cast<unsigned long long>(round.ops));
  }

  void forward(const Words& words) {
    Numbers numbers(words);
    const plan::Plan& plan = work_.plan();
    const std::uint64_t routeIndex = numbers.at(1, plan.routes.size());
    const std::uint64_t targetIndex = numbers.at(2, plan.targets.size());
    const std::uint64_t roundNs = numbers.roundNs(3);
    if (!numbers.areGood() || !work_.hasHead()) {
      return problem("forward ROUTE TARGET MICROSECONDS, after a head");
    }
    const plan::Route& route = plan.routes[routeIndex];
    const plan::Target& target = plan.targets[targetIndex];
    std::vector<char> out(kForwardBytes);
    const std::size_t length = work_.forward(route, target, out);
    if (length == 0) {
      return problem("the head does not fit");
    }
    const std::string written = escaped({out.data(), length});
    const Round round =
        measureRound(roundNs, [&](std::uint32_t) { keep(work_.forward(route, target, out)); });
    std::printf("{\"head\":\"%s\",\"ns\":%.6g,\"ops\":%llu}\n", written.c_str(), round.nsPerOp,
                static_cast<unsigned long long>(round.ops));
  }

  void takeHosts(const Words& words) {
    Numbers numbers(words);
    const std::uint64_t size = numbers.at(1, kMaxBytes);
    if (!numbers.areGood() || !readBytes(size, hostBytes_)) {
      return problem("hosts BYTES, and as many bytes");
    }
    hosts_.clear();
    for (std::string_view rest = hostBytes_; !rest.empty();) {
      const std::size_t newline = std::min(rest.find('\n'), rest.size());
      hosts_.push_back(rest.substr(0, newline));
      rest.remove_prefix(std::min(newline + 1, rest.size()));
    }
    std::printf("{\"hosts\":%zu}\n", hosts_.size());
  }

  void lookUp(const Words& words) {
    Numbers numbers(words);
    const plan::Plan& plan = work_.plan();
    const std::uint64_t list = numbers.at(1, plan.lists.size());
    const std::uint64_t roundNs = numbers.roundNs(2);
    if (!numbers.areGood() || hosts_.empty()) {
      return problem("lookup LIST MICROSECONDS, after hosts");
    }
    const plan::List& one = plan.lists[list];
    std::uint64_t found = 0;
    std::uint64_t places = 0;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      if (work_.lookUp(one, hosts_[i])) {
        ++found;
        places += i;
      }
    }
    const Round round = measureRound(roundNs, [&](std::uint32_t i) {
      keep(work_.lookUp(one, hosts_[i % hosts_.size()]) ? 1 : 0);
    });
    std::printf("{\"found\":%llu,\"places\":%llu,\"ns\":%.6g,\"ops\":%llu}\n",
                static_cast<unsigned long long>(found), static_cast<unsigned long long>(places),
                round.nsPerOp, static_cast<unsigned long long>(round.ops));
  }

  void spread(const Words& words) {
    Numbers numbers(words);
    const plan::Pool* pool = poolAt(numbers, 1);
    const auto seed = static_cast<std::uint32_t>(numbers.at(2, std::uint64_t{1} << 32));
    const auto picks = static_cast<std::uint32_t>(numbers.at(3, std::uint64_t{1} << 32));
    const std::uint64_t window = numbers.at(4, 1 << 24);
    if (!numbers.areGood() || window == 0) {
      return problem("spread POOL SEED PICKS WINDOW");
    }
    const auto targets = work_.plan().targetsOf(*pool);
    std::vector<std::uint64_t> counts(targets.size());
    std::vector<std::uint32_t> inFlight(window);
    work_.restart(*pool, seed);
    for (std::uint32_t client = 0; client < picks; ++client) {
      std::uint32_t& slot = inFlight[client % window];
      if (client >= window) {
        targets[slot].state->inFlight.fetch_sub(1, std::memory_order_relaxed);
      }
      const std::int32_t picked = work_.pick(*pool, client);
      if (picked < 0) {
        return problem("a pick without a target");
      }
      slot = static_cast<std::uint32_t>(picked);
      targets[slot].state->inFlight.fetch_add(1, std::memory_order_relaxed);
      ++counts[slot];
    }
    std::printf("{\"counts\":[");
    for (std::size_t i = 0; i < counts.size(); ++i) {
      std::printf("%s%llu", i == 0 ? "" : ",", static_cast<unsigned long long>(counts[i]));
    }
    std::printf("]}\n");
  }

  void pick(const Words& words) {
    Numbers numbers(words);
    const plan::Pool* pool = poolAt(numbers, 1);
    const std::uint64_t roundNs = numbers.roundNs(2);
    if (!numbers.areGood()) {
      return problem("pick POOL MICROSECONDS");
    }
    answer(measureRound(roundNs, [&](std::uint32_t i) { keep(work_.pick(*pool, i % kClients)); }));
  }

  void moved(const Words& words) {
    Numbers numbers(words);
    const plan::Pool* before = poolAt(numbers, 1);
    const plan::Pool* after = poolAt(numbers, 2);
    const auto clients = static_cast<std::uint32_t>(numbers.at(3, std::uint64_t{1} << 32));
    if (!numbers.areGood() || clients == 0) {
      return problem("moved POOL POOL CLIENTS");
    }
    std::uint64_t count = 0;
    for (std::uint32_t client = 0; client < clients; ++client) {
      const std::string* name = nameOfPick(*before, client);
      const std::string* next = nameOfPick(*after, client);
      if (name == nullptr || next == nullptr) {
        return problem("a pick without a target");
      }
      count += *name == *next ? 0U : 1U;
    }
    std::printf("{\"moved\":%.17g}\n", static_cast<double>(count) / clients);
  }

  const plan::Pool* poolAt(Numbers& numbers, std::size_t i) {
    const plan::Plan& plan = work_.plan();
    const std::uint64_t index = numbers.at(i, plan.pools.size());
    return numbers.areGood() ? &plan.pools[index] : nullptr;
  }

  const std::string* nameOfPick(const plan::Pool& pool, std::uint32_t client) {
    const std::int32_t picked = work_.pick(pool, client);
    return picked < 0 ? nullptr
                      : &work_.plan().targetsOf(pool)[static_cast<std::size_t>(picked)].name;
  }

  Work work_;
  std::string hostBytes_;
  /// In hostBytes_.
  std::vector<std::string_view> hosts_;
};

bool readLine(std::string& line) {
  line.clear();
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\n') {
      return true;
    }
    line += static_cast<char>(c);
  }
  return false;
}

} // namespace
} // namespace sluice::micro

int main() {
  sluice::micro::Program program;
  for (std::string line; sluice::micro::readLine(line);) {
    program.serve(line);
  }
  return 0;
}

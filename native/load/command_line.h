// `--name value` arguments of the load generators, and how they end when they cannot go on: one
// line on stderr and exit status 1. An argument that nobody asked for is an error, so that a typing
// mistake cannot change what is measured.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

[[noreturn]] inline void fail(const char* what, int error = 0) {
  std::fprintf(stderr, "%s%s%s\n", what, error != 0 ? ": " : "",
               error != 0 ? std::strerror(error) : "");
  std::exit(1);
}

class CommandLine {
 public:
  CommandLine(int count, char** values) {
    if (count % 2 == 0) {
      fail("arguments come in pairs: --name value");
    }
    for (int i = 1; i + 1 < count; i += 2) {
      arguments_.push_back({values[i], values[i + 1], false});
    }
  }

  [[nodiscard]] std::string text(std::string_view name, const char* fallback) {
    for (Argument& argument : arguments_) {
      if (argument.name == name) {
        argument.isUsed = true;
        return std::string(argument.value);
      }
    }
    return fallback;
  }

  [[nodiscard]] double number(std::string_view name, double fallback, double least, double most) {
    const std::string written = text(name, "");
    if (written.empty()) {
      return fallback;
    }
    char* end = nullptr;
    const double value = std::strtod(written.c_str(), &end);
    if (*end != '\0' || !(value >= least && value <= most)) {
      std::fprintf(stderr, "%s takes a number from %g to %g, not '%s'\n", std::string(name).c_str(),
                   least, most, written.c_str());
      std::exit(1);
    }
    return value;
  }

  [[nodiscard]] std::uint32_t count(std::string_view name, std::uint32_t fallback,
                                    std::uint32_t least, std::uint32_t most) {
    return static_cast<std::uint32_t>(number(name, fallback, least, most));
  }

  /// Call after the last argument was asked for.
  void refuseTheRest() const {
    for (const Argument& argument : arguments_) {
      if (!argument.isUsed) {
        std::fprintf(stderr, "unknown argument '%s'\n", std::string(argument.name).c_str());
        std::exit(1);
      }
    }
  }

 private:
  struct Argument {
    std::string_view name;
    std::string_view value;
    bool isUsed;
  };
  std::vector<Argument> arguments_;
};

} // namespace bench

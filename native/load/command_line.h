// Arguments of the load generators, `--name value` or a lone `--name`, and how they end when they
// cannot go on: one line on stderr and exit status 1. An argument that nobody asked for is an
// error, so that a typing mistake cannot change what is measured.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::load {

[[noreturn]] inline void fail(const char* what, int error = 0) {
  std::fprintf(stderr, "%s%s%s\n", what, error != 0 ? ": " : "",
               error != 0 ? std::strerror(error) : "");
  std::exit(1);
}

class CommandLine {
 public:
  CommandLine(int count, char** values) {
    for (int i = 1; i < count; ++i) {
      const std::string_view name = values[i];
      if (!name.starts_with("--")) {
        refuse("this is no argument: ", name);
      }
      const bool hasValue = i + 1 < count && !std::string_view(values[i + 1]).starts_with("--");
      arguments_.push_back({name, hasValue ? values[++i] : nullptr, false});
    }
  }

  [[nodiscard]] bool flag(std::string_view name) {
    Argument* argument = find(name);
    if (argument != nullptr && argument->value != nullptr) {
      refuse("takes no value: ", name);
    }
    return argument != nullptr;
  }

  [[nodiscard]] std::string text(std::string_view name, const char* fallback) {
    Argument* argument = find(name);
    if (argument != nullptr && argument->value == nullptr) {
      refuse("takes a value: ", name);
    }
    return argument != nullptr ? argument->value : fallback;
  }

  /// The place in `names` of what was given; that of the first one when nothing was.
  [[nodiscard]] std::size_t choice(std::string_view name,
                                   const std::vector<std::string_view>& names) {
    const std::string written = text(name, "");
    std::string all;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (written == names[i] || written.empty()) {
        return i;
      }
      all += i == 0 ? "" : ", ";
      all += names[i];
    }
    std::fprintf(stderr, "%s is one of %s, not '%s'\n", std::string(name).c_str(), all.c_str(),
                 written.c_str());
    std::exit(1);
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
        refuse("unknown argument, or without a meaning here: ", argument.name);
      }
    }
  }

 private:
  struct Argument {
    std::string_view name;
    const char* value; ///< null: it stands alone
    bool isUsed;
  };

  [[noreturn]] static void refuse(const char* what, std::string_view name) {
    std::fprintf(stderr, "%s%s\n", what, std::string(name).c_str());
    std::exit(1);
  }

  /// The last one of that name counts.
  [[nodiscard]] Argument* find(std::string_view name) {
    Argument* found = nullptr;
    for (Argument& argument : arguments_) {
      if (argument.name == name) {
        argument.isUsed = true;
        found = &argument;
      }
    }
    return found;
  }

  std::vector<Argument> arguments_;
};

} // namespace sluice::load

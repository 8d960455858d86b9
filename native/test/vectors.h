// Reads test/vectors, which test/unit/plan reads too. The tests run in the repository's root.
#pragma once

#include <arpa/inet.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::test {

struct Vector {
  int line = 0;
  /// Unescaped.
  std::vector<std::string> fields;

  /// Empty beyond the last.
  [[nodiscard]] std::string at(std::size_t i) const {
    return i < fields.size() ? fields[i] : std::string();
  }
};

inline std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, at);) {
    parts.push_back(part);
  }
  return parts;
}

inline std::string unescape(std::string_view text) {
  if (text == "''") {
    return {};
  }
  const auto byteAt = [&](std::size_t at) {
    return static_cast<char>(std::stoi(std::string(text.substr(at, 2)), nullptr, 16));
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
    } else if (text[i + 1] == 'x') {
      out += byteAt(i + 2);
      i += 3;
    } else if (text[i + 1] == '*') {
      const std::size_t end = text.find(';', i);
      out.append(std::stoul(std::string(text.substr(i + 4, end - i - 4))), byteAt(i + 2));
      i = end;
    } else {
      out += text[++i];
    }
  }
  return out;
}

inline std::string pathOfVectors(const std::string& name) {
  return "test/vectors/" + name + ".txt";
}

inline std::vector<Vector> readVectors(const std::string& name) {
  std::ifstream file(pathOfVectors(name));
  std::vector<Vector> all;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') {
      continue;
    }
    Vector vector{number, {}};
    for (const std::string& field : split(line, '\t')) {
      vector.fields.push_back(unescape(field));
    }
    all.push_back(vector);
  }
  return all;
}

/// 4 or 16 bytes; none for what is no address.
inline std::vector<std::uint8_t> addressOf(const std::string& text) {
  const bool isIpv6 = text.find(':') != std::string::npos;
  std::vector<std::uint8_t> bytes(isIpv6 ? 16 : 4);
  if (::inet_pton(isIpv6 ? AF_INET6 : AF_INET, text.c_str(), bytes.data()) != 1) {
    bytes.clear();
  }
  return bytes;
}

inline std::vector<std::uint8_t> bytesOfHex(std::string_view digits) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(
        static_cast<std::uint8_t>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

} // namespace sluice::test

// Reads test/vectors/balance, which test/unit/balance reads too. The tests run in the repository's
// root.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace sluice::test {

using Words = std::vector<std::string>;

inline std::vector<Words> readBalanceVectors(const std::string& name) {
  std::ifstream file("test/vectors/balance/" + name + ".txt");
  std::vector<Words> all;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') {
      continue;
    }
    std::istringstream in(line);
    Words words;
    for (std::string word; in >> word;) {
      words.push_back(word);
    }
    all.push_back(words);
  }
  return all;
}

inline std::uint64_t number(const std::string& word) {
  return std::strtoull(word.c_str(), nullptr, 10);
}

/// "1,2,3"; "-" is the empty list.
inline std::vector<std::uint32_t> numbers(const std::string& list) {
  std::vector<std::uint32_t> out;
  if (list == "-") {
    return out;
  }
  std::istringstream in(list);
  for (std::string word; std::getline(in, word, ',');) {
    out.push_back(static_cast<std::uint32_t>(number(word)));
  }
  return out;
}

} // namespace sluice::test

#include "relay/name_route.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "test/test.h"

using namespace sluice;

namespace {

constexpr const char* kVectors = "test/vectors/name-route.txt";

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, at);) {
    parts.push_back(part);
  }
  return parts;
}

std::string textOf(const std::string& field) {
  return field == "''" ? std::string() : field;
}

plan::HostMatch hostOf(const std::string& field) {
  if (field == "*") {
    return {};
  }
  const bool isSuffix = field.starts_with("*.");
  return {isSuffix ? HostMatchKind::Suffix : HostMatchKind::Exact,
          isSuffix ? field.substr(1) : field};
}

std::string wireOf(const std::vector<std::string>& names) {
  std::string wire;
  for (const std::string& name : names) {
    wire += static_cast<char>(name.size());
    wire += name;
  }
  return wire;
}

} // namespace

TEST("clients go where the shared vectors of name routes say") {
  std::ifstream file(kVectors);
  std::vector<plan::NameRoute> routes;
  int lines = 0;
  int hellos = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    const std::vector<std::string> fields = split(line, '\t');
    if (fields.empty() || fields[0].starts_with('#')) {
      continue;
    }
    if (fields[0] == "listener") {
      routes.clear();
    } else if (fields[0] == "route") {
      routes.push_back({hostOf(fields[1]), split(textOf(fields[2]), ','), 0});
    } else {
      const plan::NameRoute* found =
          relay::matchName(routes, textOf(fields[1]), wireOf(split(textOf(fields[2]), ',')));
      const std::string actual = found == nullptr ? "-" : std::to_string(found - routes.data());
      if (actual != fields[3]) {
        test::fail(kVectors, lines + 1, line + " gave " + actual);
      }
      ++hellos;
    }
  }
  CHECK(hellos > 20);
}

TEST("a cut list of protocols offers what is whole in it") {
  const std::vector<plan::NameRoute> routes{{{}, {"h2"}, 0}};
  CHECK(relay::matchName(routes, "", std::string_view("\x02h2\x08http", 8)) != nullptr);
  CHECK(relay::matchName(routes, "", std::string_view("\x02h", 2)) == nullptr);
  CHECK(relay::matchName(routes, "", std::string_view("\x08http", 5)) == nullptr);
}

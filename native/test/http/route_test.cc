#include "http/route.h"

#include <fstream>
#include <string>
#include <vector>

#include "http/request.h"
#include "test/http/limits.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::http;

namespace {

plan::Route route(HostMatchKind hostKind, const char* host, PathMatchKind pathKind,
                  const char* path) {
  plan::Route made;
  made.hostKind = hostKind;
  made.host = host;
  made.pathKind = pathKind;
  made.path = path;
  return made;
}

bool matches(const plan::Route& made, std::string_view host, std::string_view path) {
  return matchRoute({&made, 1}, host, path) == &made;
}

/// `^/v` as a table: state 1 wants '/', 2 wants 'v', 3 accepts whatever follows.
plan::Dfa versionTable() {
  plan::Dfa dfa;
  dfa.classCount = 3;
  dfa.classes['/'] = 1;
  dfa.classes['v'] = 2;
  dfa.next = {0, 0, 0, 0, 2, 0, 0, 0, 3, 3, 3, 3};
  dfa.accepting = {0, 0, 0, 1};
  return dfa;
}

std::string rewritten(const char* strip, const char* add, std::string_view path) {
  plan::Route made;
  made.stripPrefix = strip;
  made.addPrefix = add;
  const RewrittenPath pieces = rewritePath(made, path);
  return std::string(pieces.prefix) + std::string(pieces.rest);
}

} // namespace

TEST("a host is compared without case and without one trailing dot") {
  const plan::Route site = route(HostMatchKind::Exact, "example.com", PathMatchKind::Any, "");
  CHECK(matches(site, "example.com", "/"));
  CHECK(matches(site, "EXAMPLE.com", "/"));
  CHECK(matches(site, "example.com.", "/"));
  CHECK(!matches(site, "example.com..", "/"));
  CHECK(!matches(site, "www.example.com", "/"));
  CHECK(!matches(site, "example.com.evil", "/"));
  CHECK(!matches(site, "", "/"));
  const plan::Route below = route(HostMatchKind::Suffix, ".example.com", PathMatchKind::Any, "");
  CHECK(matches(below, "www.example.com", "/"));
  CHECK(matches(below, "a.b.Example.COM.", "/"));
  CHECK(!matches(below, "example.com", "/"));
  CHECK(!matches(below, ".example.com", "/"));
  CHECK(!matches(below, "wwwexample.com", "/"));
  CHECK(matches(route(HostMatchKind::Exact, "[::1]", PathMatchKind::Any, ""), "[::1]", "/"));
}

TEST("a path prefix ends on a segment border and an exact path is exact") {
  const plan::Route api = route(HostMatchKind::Any, "", PathMatchKind::Prefix, "/api");
  CHECK(matches(api, "", "/api"));
  CHECK(matches(api, "", "/api/"));
  CHECK(matches(api, "", "/api/x"));
  CHECK(!matches(api, "", "/apix"));
  CHECK(!matches(api, "", "/ap"));
  CHECK(!matches(api, "", "/API"));
  const plan::Route exact = route(HostMatchKind::Any, "", PathMatchKind::Exact, "/a");
  CHECK(matches(exact, "", "/a"));
  CHECK(!matches(exact, "", "/a/"));
  CHECK(!matches(exact, "", "*"));
  plan::Route version = route(HostMatchKind::Any, "", PathMatchKind::Regex, "");
  version.dfa = versionTable();
  CHECK(matches(version, "", "/v1"));
  CHECK(!matches(version, "", "/x"));
  CHECK(!matches(version, "", "/"));
}

TEST("the first route that matches wins, and none may match") {
  const std::vector<plan::Route> routes{
      route(HostMatchKind::Exact, "a.test", PathMatchKind::Prefix, "/x"),
      route(HostMatchKind::Any, "", PathMatchKind::Exact, "/x/y"),
      route(HostMatchKind::Exact, "a.test", PathMatchKind::Any, ""),
  };
  CHECK(matchRoute(routes, "a.test", "/x/y") == &routes[0]);
  CHECK(matchRoute(routes, "b.test", "/x/y") == &routes[1]);
  CHECK(matchRoute(routes, "a.test", "*") == &routes[2]);
  CHECK(matchRoute(routes, "b.test", "/") == nullptr);
  CHECK(matchRoute({}, "b.test", "/") == nullptr);
}

TEST("prefixes are stripped on segment borders, then added") {
  CHECK_EQ(rewritten("/server1", "", "/server1/a"), "/a");
  CHECK_EQ(rewritten("/server1", "", "/server1"), "/");
  CHECK_EQ(rewritten("/server1", "", "/server1/"), "/");
  CHECK_EQ(rewritten("/server1", "", "/server1x"), "/server1x");
  CHECK_EQ(rewritten("/old", "/new/v2", "/old/a"), "/new/v2/a");
  CHECK_EQ(rewritten("/old", "/new", "/old"), "/new/");
  CHECK_EQ(rewritten("", "/new", "/a"), "/new/a");
  CHECK_EQ(rewritten("/old", "/new", "*"), "*");
}

namespace {

constexpr const char* kVectors = "test/vectors/route.txt";

std::vector<std::string> columns(const std::string& line) {
  std::vector<std::string> out(1);
  for (const char c : line) {
    if (c == '\t') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  for (std::string& column : out) {
    if (column == "''") {
      column.clear();
    }
  }
  return out;
}

plan::Route routeOf(const std::vector<std::string>& row) {
  const std::string& host = row[2];
  const std::string& path = row[3];
  plan::Route made;
  made.name = row[1];
  if (host != "*") {
    const bool isSuffix = host.starts_with("*.");
    made.hostKind = isSuffix ? HostMatchKind::Suffix : HostMatchKind::Exact;
    made.host = isSuffix ? host.substr(1) : host;
  }
  if (path != "/*") {
    const bool isPrefix = path.ends_with("/*");
    made.pathKind = isPrefix ? PathMatchKind::Prefix : PathMatchKind::Exact;
    made.path = isPrefix ? path.substr(0, path.size() - 2) : path;
  }
  return made;
}

} // namespace

TEST("routes are found and paths rewritten as the shared vectors say") {
  std::ifstream file(kVectors);
  std::vector<plan::Route> routes;
  std::string line;
  int number = 0;
  int count = 0;
  while (std::getline(file, line)) {
    ++number;
    const std::vector<std::string> row = columns(line);
    std::string actual;
    std::string expected;
    if (row[0] == "listener") {
      routes.clear();
    } else if (row[0] == "route") {
      routes.push_back(routeOf(row));
    } else if (row[0] == "request") {
      const plan::Route* found = matchRoute(routes, row[1], row[2]);
      actual = found == nullptr ? "-" : found->name;
      expected = row[3];
      ++count;
    } else if (row[0] == "host" && !row[1].empty()) {
      static RequestHead head;
      const std::string text = "GET / HTTP/1.1\r\nHost: " + row[1] + "\r\n\r\n";
      CHECK(parseRequest(text, test::kLimits, head).state == ParseState::Done);
      CHECK(matches(route(HostMatchKind::Exact, row[2].c_str(), PathMatchKind::Any, ""), head.host,
                    head.path));
      ++count;
    } else if (row[0] == "rewrite") {
      actual = rewritten(row[1].c_str(), row[2].c_str(), row[3]);
      expected = row[4];
      ++count;
    }
    if (actual != expected) {
      test::fail(kVectors, number, line + " gave " + actual);
    }
  }
  CHECK(count > 40);
}

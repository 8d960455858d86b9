#include "http/route.h"

#include <string>
#include <vector>

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

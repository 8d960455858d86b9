#include "policy/decide.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "plan/plan.h"
#include "test/test.h"
#include "test/vectors.h"

using namespace sluice;
using namespace sluice::policy;

namespace {

constexpr const char* kDays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

using Fields = std::map<std::string, std::string>;

Fields fieldsOf(const test::Vector& vector, std::size_t from) {
  Fields fields;
  for (std::size_t i = from; i < vector.fields.size(); ++i) {
    const std::string& field = vector.fields[i];
    const std::size_t equals = field.find('=');
    fields[field.substr(0, equals)] = field.substr(equals + 1);
  }
  return fields;
}

std::string valueOf(const Fields& fields, const std::string& key, const std::string& missing) {
  const auto found = fields.find(key);
  return found == fields.end() ? missing : found->second;
}

std::vector<std::string> valuesOf(const Fields& fields, const std::string& key) {
  return test::split(valueOf(fields, key, ""), ',');
}

plan::AddressSet blocksOf(const std::vector<std::string>& texts) {
  std::vector<plan::Cidr> blocks;
  for (const std::string& text : texts) {
    const std::size_t slash = text.find('/');
    const std::vector<std::uint8_t> bytes = test::addressOf(text.substr(0, slash));
    plan::Cidr block;
    block.family = bytes.size() == 4 ? AddressFamily::Ipv4 : AddressFamily::Ipv6;
    std::copy(bytes.begin(), bytes.end(), block.bytes.begin());
    block.bits = static_cast<std::uint8_t>(std::stoi(text.substr(slash + 1)));
    blocks.push_back(block);
  }
  return plan::AddressSet(blocks);
}

std::uint16_t minuteOf(const std::string& clock) {
  return static_cast<std::uint16_t>(60 * std::stoi(clock) +
                                    std::stoi(clock.substr(clock.find(':') + 1)));
}

plan::TimeWindow windowOf(const std::string& text) {
  const std::size_t space = text.find(' ');
  const std::size_t dash = text.find('-');
  const std::vector<std::string> days = test::split(text.substr(0, space), '.');
  plan::TimeWindow window;
  for (unsigned day = 0; day < 7; ++day) {
    if (days[0] == "*" || std::find(days.begin(), days.end(), kDays[day]) != days.end()) {
      window.days = static_cast<std::uint8_t>(window.days | 1U << day);
    }
  }
  window.fromMinute = minuteOf(text.substr(space + 1));
  window.toMinute = minuteOf(text.substr(dash + 1));
  return window;
}

/// A list of rules with all that they refer to.
struct Rules {
  plan::Plan plan;
  plan::Forward forward;
  std::vector<std::string> names;

  void addList(const test::Vector& vector) {
    plan::List list;
    list.name = vector.at(1);
    const std::vector<std::uint8_t> bytes = test::bytesOfHex(vector.at(4));
    CHECK(plan::HostSet::isSound(bytes));
    list.hosts = std::make_shared<const LargeBytes>(bytes.begin(), bytes.end());
    list.hostSet = plan::HostSet(*list.hosts);
    list.blocks = blocksOf(test::split(vector.at(3), ' '));
    plan.lists.push_back(list);
  }

  void addRule(const test::Vector& vector) {
    const Fields fields = fieldsOf(vector, 2);
    plan::Rule rule;
    rule.clients = blocksOf(valuesOf(fields, "clients"));
    rule.users = valuesOf(fields, "users");
    for (const std::string& text : valuesOf(fields, "hosts")) {
      const bool isSuffix = text.starts_with("*.");
      rule.hosts.push_back({isSuffix ? HostMatchKind::Suffix : HostMatchKind::Exact,
                            isSuffix ? text.substr(1) : text});
    }
    rule.blocks = blocksOf(valuesOf(fields, "blocks"));
    for (const std::string& name : valuesOf(fields, "lists")) {
      for (std::uint32_t i = 0; i < plan.lists.size(); ++i) {
        if (plan.lists[i].name == name) {
          rule.lists.push_back(i);
        }
      }
    }
    for (const std::string& text : valuesOf(fields, "ports")) {
      const std::size_t dash = text.find('-');
      const int last = std::stoi(dash == std::string::npos ? text : text.substr(dash + 1));
      rule.ports.push_back(
          {static_cast<std::uint16_t>(std::stoi(text)), static_cast<std::uint16_t>(last)});
    }
    rule.methods = valuesOf(fields, "methods");
    const std::string path = valueOf(fields, "path", "");
    if (path.ends_with("/*")) {
      rule.pathKind = PathMatchKind::Prefix;
      rule.path = path.substr(0, path.size() - 2);
    } else if (!path.empty()) {
      rule.pathKind = PathMatchKind::Exact;
      rule.path = path;
    }
    for (const std::string& text : valuesOf(fields, "times")) {
      rule.times.push_back(windowOf(text));
    }
    forward.rules.push_back(rule);
    names.push_back(vector.at(1));
  }

  std::string ask(const test::Vector& vector) const {
    const Fields fields = fieldsOf(vector, 4);
    Destination destination;
    CHECK(parseDestination(vector.at(3), 0, destination));
    const std::string at = valueOf(fields, "at", "wed 12:00");
    const auto* const day = std::find(std::begin(kDays), std::end(kDays), at.substr(0, 3));
    const std::vector<std::uint8_t> client =
        test::addressOf(valueOf(fields, "client", "192.0.2.1"));
    const std::vector<std::uint8_t> address = test::addressOf(valueOf(fields, "address", ""));
    const std::string method = vector.at(2);
    const std::string user = valueOf(fields, "user", "");
    const std::string path = valueOf(fields, "path", "");
    const std::uint32_t rule =
        decide(plan, forward,
               {.client = client,
                .user = user,
                .destination = destination,
                .method = method,
                .path = path,
                .time = {.minute = minuteOf(at.substr(4)),
                         .weekday = static_cast<std::uint8_t>(day - std::begin(kDays))},
                .address = address});
    return rule == kNeedsAddresses ? "?" : names[rule];
  }
};

} // namespace

TEST("rules decide as the shared vectors say") {
  Rules rules;
  int asked = 0;
  for (const test::Vector& vector : test::readVectors("decide")) {
    if (vector.at(0) == "rules") {
      rules = Rules();
    } else if (vector.at(0) == "list") {
      rules.addList(vector);
    } else if (vector.at(0) == "rule") {
      rules.addRule(vector);
    } else {
      const std::string actual = rules.ask(vector);
      if (actual != vector.at(1)) {
        test::fail("test/vectors/decide.txt", vector.line, "gave " + actual);
      }
      ++asked;
    }
  }
  CHECK(asked > 120);
}

#include "socks/messages.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>
#include <vector>

#include "socks/outcome.h"
#include "test/http/guarded.h"
#include "test/test.h"
#include "test/vectors.h"

using namespace sluice;
using namespace sluice::socks;

namespace {

constexpr const char* kVectors = "test/vectors/socks.txt";

struct Vector {
  int line = 0;
  std::string kind;
  std::vector<std::string> fields;
};

enum class Kind : std::uint8_t { Read, Write, Outcome };

Kind kindOf(const Vector& vector) {
  return vector.kind == "write"     ? Kind::Write
         : vector.kind == "outcome" ? Kind::Outcome
                                    : Kind::Read;
}

std::vector<Vector> readVectors(Kind kind) {
  std::vector<Vector> all;
  for (const test::Vector& read : test::readVectors("socks")) {
    const Vector vector{.line = read.line,
                        .kind = read.at(0),
                        .fields = {read.fields.begin() + 1, read.fields.end()}};
    if (kindOf(vector) == kind) {
      all.push_back(vector);
    }
  }
  return all;
}

using Fields = std::vector<std::string>;

void spread(const Address& address, Fields& into) {
  char text[INET6_ADDRSTRLEN] = {};
  switch (address.type) {
  case AddressType::Ipv4:
    CHECK_EQ(address.host.size(), 4U);
    ::inet_ntop(AF_INET, address.host.data(), text, sizeof text);
    into.insert(into.end(), {"ipv4", text});
    break;
  case AddressType::Ipv6:
    CHECK_EQ(address.host.size(), 16U);
    ::inet_ntop(AF_INET6, address.host.data(), text, sizeof text);
    into.insert(into.end(), {"ipv6", text});
    break;
  case AddressType::Name:
    into.insert(into.end(), {"name", std::string(address.host)});
    break;
  case AddressType::Unknown:
    into.insert(into.end(), {"unknown", ""});
    break;
  }
  into.push_back(std::to_string(address.port));
}

Fields outcome(State state, std::size_t bytes) {
  switch (state) {
  case State::Partial:
    return {"more"};
  case State::Bad:
    return {"bad"};
  case State::Done:
    break;
  }
  return {std::to_string(bytes)};
}

Fields readVerdict(State (&reader)(std::string_view, Verdict&), std::string_view input) {
  Verdict verdict;
  const State state = reader(input, verdict);
  Fields fields = outcome(state, verdict.bytes);
  if (state == State::Done) {
    fields.push_back(std::to_string(verdict.value));
  }
  return fields;
}

Fields readRequestOf(State (&reader)(std::string_view, Request&), std::string_view input,
                     bool hasUser) {
  Request request;
  const State state = reader(input, request);
  Fields fields = outcome(state, request.bytes);
  if (state == State::Done) {
    fields.push_back(std::to_string(request.command));
    spread(request.address, fields);
    if (hasUser) {
      fields.emplace_back(request.user);
    }
  }
  return fields;
}

Fields read(const std::string& kind, std::string_view input) {
  if (kind == "greeting") {
    Greeting greeting;
    const State state = readGreeting(input, greeting);
    Fields fields = outcome(state, greeting.bytes);
    if (state == State::Done) {
      fields.emplace_back(greeting.methods);
    }
    return fields;
  }
  if (kind == "login") {
    Login login;
    const State state = readLogin(input, login);
    Fields fields = outcome(state, login.bytes);
    if (state == State::Done) {
      fields.emplace_back(login.name);
      fields.emplace_back(login.password);
    }
    return fields;
  }
  if (kind == "reply") {
    Reply reply;
    const State state = readReply(input, reply);
    Fields fields = outcome(state, reply.bytes);
    if (state == State::Done) {
      fields.push_back(std::to_string(reply.code));
      spread(reply.bound, fields);
    }
    return fields;
  }
  if (kind == "datagram") {
    DatagramHeader header;
    if (!readDatagram(input, header)) {
      return {"bad"};
    }
    Fields fields = outcome(State::Done, header.bytes);
    spread(header.address, fields);
    return fields;
  }
  if (kind == "method") {
    return readVerdict(readMethod, input);
  }
  if (kind == "login-reply") {
    return readVerdict(readLoginReply, input);
  }
  return kind == "request4" ? readRequestOf(readRequest4, input, true)
                            : readRequestOf(readRequest, input, false);
}

std::string joined(const Fields& fields) {
  std::string text;
  for (const std::string& field : fields) {
    text += text.empty() ? field : " " + field;
  }
  return text;
}

/// An address of three fields from `at` on; `host` holds what it points to.
Address addressOf(const Fields& fields, std::size_t at, std::string& host) {
  Address address{.type = AddressType::Name,
                  .port = static_cast<std::uint16_t>(std::stoi(fields[at + 2])),
                  .host = {}};
  host = fields[at + 1];
  if (fields[at] != "name") {
    const bool isV6 = fields[at] == "ipv6";
    address.type = isV6 ? AddressType::Ipv6 : AddressType::Ipv4;
    host.resize(isV6 ? 16 : 4);
    CHECK_EQ(::inet_pton(isV6 ? AF_INET6 : AF_INET, fields[at + 1].c_str(), host.data()), 1);
  }
  address.host = host;
  return address;
}

std::string write(const Fields& fields) {
  std::array<char, kMaxReplyBytes> space;
  std::array<char, kMaxLoginBytes> loginSpace;
  std::array<char, kMaxDatagramHeaderBytes> headerSpace;
  std::string host;
  const std::string& what = fields[0];
  std::string_view written;
  if (what == "method") {
    written = writeMethod(static_cast<Method>(std::stoi(fields[1])), space);
  } else if (what == "login-reply") {
    written = writeLoginReply(fields[1] == "welcome", space);
  } else if (what == "reply") {
    written =
        writeReply(static_cast<ReplyCode>(std::stoi(fields[1])), addressOf(fields, 2, host), space);
  } else if (what == "reply4") {
    written = writeReply4(static_cast<Reply4Code>(std::stoi(fields[1])), space);
  } else if (what == "datagram") {
    written = writeDatagramHeader(addressOf(fields, 1, host), headerSpace);
  } else if (what == "greeting") {
    written = writeGreeting(fields[1] == "login", space);
  } else if (what == "login") {
    written = writeLogin(fields[1], fields[2], loginSpace);
  } else if (what == "request") {
    written =
        writeRequest(static_cast<Command>(std::stoi(fields[1])), addressOf(fields, 2, host), space);
  }
  return std::string(written);
}

} // namespace

TEST("SOCKS messages are read as the shared vectors say, and no byte beyond them") {
  const std::vector<Vector> vectors = readVectors(Kind::Read);
  CHECK(vectors.size() > 100);
  for (const auto& [line, kind, fields] : vectors) {
    const test::Guarded guarded(fields[0]);
    const Fields actual = read(kind, guarded.text());
    if (actual != Fields(fields.begin() + 1, fields.end())) {
      test::fail(kVectors, line, "gave " + joined(actual));
    }
  }
}

TEST("SOCKS messages ask for more at every cut, but for datagrams, which are whole or bad") {
  for (const auto& [line, kind, fields] : readVectors(Kind::Read)) {
    const std::size_t length = std::strtoul(fields[1].c_str(), nullptr, 10);
    const Fields expected{kind == "datagram" ? "bad" : "more"};
    for (std::size_t cut = 0; cut < length; ++cut) {
      const test::Guarded guarded(std::string_view(fields[0]).substr(0, cut));
      if (read(kind, guarded.text()) != expected) {
        test::fail(kVectors, line, "is decided at " + std::to_string(cut));
      }
    }
  }
}

TEST("SOCKS messages are written as the shared vectors say") {
  const std::vector<Vector> vectors = readVectors(Kind::Write);
  CHECK(vectors.size() > 15);
  for (const auto& [line, kind, fields] : vectors) {
    const std::string written = write(fields);
    if (written != fields.back()) {
      test::fail(kVectors, line, "gave " + written);
    }
  }
}

TEST("SOCKS tells of failures as the shared vectors say") {
  const std::vector<Vector> vectors = readVectors(Kind::Outcome);
  CHECK(vectors.size() > 20);
  for (const auto& [line, kind, fields] : vectors) {
    std::size_t code = 0;
    while (code < kErrcCount && errcInfo(static_cast<Errc>(code)).name != fields[0]) {
      ++code;
    }
    CHECK(code < kErrcCount);
    const auto errc = static_cast<Errc>(code);
    const std::string told = std::to_string(static_cast<int>(replyOf(errc))) + " " +
                             std::to_string(static_cast<int>(reply4Of(errc)));
    if (told != fields[1] + " " + fields[2]) {
      test::fail(kVectors, line, "gave " + told);
    }
  }
}

TEST("an answer tells no address where there is none") {
  std::array<char, kMaxReplyBytes> space;
  CHECK_EQ(writeReply(ReplyCode::Failed, {}, space),
           std::string_view("\x05\x01\0\x01\0\0\0\0\0\0", 10));
}

TEST("the longest messages fit the sizes that they are said to have") {
  std::size_t greeting = 0;
  std::size_t login = 0;
  std::size_t request = 0;
  std::size_t request4 = 0;
  for (const auto& [line, kind, fields] : readVectors(Kind::Read)) {
    const std::size_t length = std::strtoul(fields[1].c_str(), nullptr, 10);
    for (const auto& [its, longest] : {std::pair<const char*, std::size_t*>{"greeting", &greeting},
                                       {"login", &login},
                                       {"request", &request},
                                       {"request4", &request4}}) {
      *longest = kind == its ? std::max(*longest, length) : *longest;
    }
  }
  CHECK_EQ(greeting, kMaxGreetingBytes);
  CHECK_EQ(login, kMaxLoginBytes);
  CHECK_EQ(request, kMaxRequestBytes);
  CHECK_EQ(request4, kMaxRequest4Bytes);
}

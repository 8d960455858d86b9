// Encoded plans for the tests of worker/: listeners in front of one pool. Writes what
// src/plan/encode.ts writes.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "generated/codes.h"
#include "plan/plan.h"

namespace sluice::test {

struct ListenerSpec {
  std::string name;
  Protocol protocol = Protocol::Tcp;
  /// On 127.0.0.1.
  std::uint16_t port = 0;
  /// Instead of the port.
  std::string unixPath = {};
  std::string accessLog = {};
};

class EncodedPlan {
 public:
  EncodedPlan(const std::vector<ListenerSpec>& listeners, std::uint16_t target) {
    number(kPlanMagic);
    number(std::uint64_t{1});
    number(static_cast<std::uint32_t>(listeners.size()));
    std::uint32_t routes = 0;
    for (const ListenerSpec& listener : listeners) {
      write(listener, routes);
      routes += listener.protocol == Protocol::Http ? 1U : 0U;
    }
    number(routes);
    for (std::uint32_t i = 0; i < listeners.size(); ++i) {
      if (listeners[i].protocol == Protocol::Http) {
        writeRoute(i, listeners[i].name);
      }
    }
    number(std::uint32_t{1});
    writePool();
    number(std::uint32_t{1});
    number(std::uint32_t{0});
    const std::string name = "127.0.0.1:" + std::to_string(target);
    text(name);
    text(name);
    address(target);
    number(std::uint32_t{1});
    number(plan::kNone); // clientTls
    text("");
    number(std::uint32_t{0}); // serverTls
    number(std::uint32_t{0});
    number(std::uint32_t{0}); // forwards
    number(std::uint32_t{0}); // lists
    number(std::uint32_t{0}); // users
  }

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  template<typename T>
  void number(T value) {
    std::uint8_t raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes_.insert(bytes_.end(), raw, raw + sizeof value);
  }
  template<typename Enum>
  void code(Enum value) {
    number(static_cast<std::uint8_t>(value));
  }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  void address(std::uint16_t port) {
    code(AddressFamily::Ipv4);
    number(port);
    for (const int byte : {127, 0, 0, 1}) {
      number(static_cast<std::uint8_t>(byte));
    }
  }

  void write(const ListenerSpec& listener, std::uint32_t firstRoute) {
    const bool isHttp = listener.protocol == Protocol::Http;
    text(listener.name);
    if (listener.unixPath.empty()) {
      address(listener.port);
    } else {
      code(AddressFamily::Unix);
      number(std::uint16_t{0});
      text(listener.unixPath);
    }
    code(listener.protocol);
    number(isHttp ? firstRoute : 0U);
    number(isHttp ? 1U : 0U);
    number(isHttp ? plan::kNone : 0U);
    number(std::uint32_t{0}); // nameRoutes
    number(plan::kNone);      // serverTls
    number(plan::kNone);      // forward
    code(ProxyAccept::Off);
    number(std::uint32_t{0}); // maxConnections
    text(listener.accessLog);
    code(ForwardedMode::Replace);
    number(std::uint32_t{0}); // trustedProxies
    code(SpliceMode::Auto);
    for (int timeout = 0; timeout < 7; ++timeout) {
      number(std::uint32_t{30'000});
    }
    number(std::uint32_t{16 * 1024}); // limits
    number(std::uint32_t{100});
    number(std::uint32_t{8 * 1024});
    number(std::uint64_t{0});
    number(std::uint32_t{100}); // maxSessions
    number(std::uint32_t{0});
  }
  void writeRoute(std::uint32_t listener, const std::string& name) {
    number(listener);
    text(name + "/all");
    text("all");
    code(HostMatchKind::Any);
    text("");
    code(PathMatchKind::Any);
    text("");
    code(CertificateMatchKind::Any);
    text("");
    text("");
    code(ActionKind::Pool);
    number(std::uint32_t{0});
    text(""); // stripPrefix
    text("");
    code(HostHeaderKind::Client);
    text("");
    number(std::uint32_t{0}); // edits
    number(std::uint32_t{0});
  }
  void writePool() {
    text("all");
    code(Strategy::RoundRobin);
    number(std::uint32_t{0});
    number(std::uint32_t{1});
    number(std::uint32_t{1}); // the table
    number(std::uint32_t{0});
    number(std::uint32_t{1});      // retries
    number(std::uint32_t{3});      // ejectAfter
    number(std::uint32_t{10'000}); // ejectMs
    number(std::uint32_t{10'000});
    number(std::uint32_t{30'000}); // idleMs
    number(std::uint32_t{8});
    code(ProxySend::Off);
    code(PoolKind::Targets);
    text(""); // login
  }

  std::vector<std::uint8_t> bytes_;
};

} // namespace sluice::test

#include "http/route.h"

#include "http/head.h"

namespace sluice::http {
namespace {

bool matchesHost(const plan::Route& route, std::string_view host) {
  const std::string_view wanted = route.host;
  switch (route.hostKind) {
  case HostMatchKind::Any:
    return true;
  case HostMatchKind::Exact:
    return equalsIgnoreCase(host, wanted);
  case HostMatchKind::Suffix:
    return host.size() > wanted.size() &&
           equalsIgnoreCase(host.substr(host.size() - wanted.size()), wanted);
  }
  return false;
}

bool hasPrefix(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

bool matchesPath(const plan::Route& route, std::string_view path) {
  switch (route.pathKind) {
  case PathMatchKind::Any:
    return true;
  case PathMatchKind::Exact:
    return path == route.path;
  case PathMatchKind::Prefix:
    return hasPrefix(path, route.path);
  case PathMatchKind::Regex:
    return route.dfa.matches(path);
  }
  return false;
}

bool matchesCertificate(const plan::CertificateMatch& wanted, const ClientIdentity& client) {
  switch (wanted.kind) {
  case CertificateMatchKind::Any:
    return true;
  case CertificateMatchKind::None:
    return !client.isVerified;
  case CertificateMatchKind::Verified:
    return client.isVerified &&
           (wanted.commonName.empty() || wanted.commonName == client.commonName) &&
           (wanted.fingerprint.empty() || wanted.fingerprint == client.fingerprint);
  }
  return false;
}

} // namespace

const plan::Route* matchRoute(std::span<const plan::Route> routes, std::string_view host,
                              std::string_view path, const ClientIdentity& client) noexcept {
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  for (const plan::Route& route : routes) {
    if (matchesHost(route, host) && matchesPath(route, path) &&
        matchesCertificate(route.certificate, client)) {
      return &route;
    }
  }
  return nullptr;
}

RewrittenPath rewritePath(const plan::Route& route, std::string_view path) noexcept {
  if (!path.starts_with('/')) {
    return {{}, path};
  }
  const std::string_view strip = route.stripPrefix;
  if (!strip.empty() && hasPrefix(path, strip)) {
    path.remove_prefix(strip.size());
    if (path.empty()) {
      path = "/";
    }
  }
  return {route.addPrefix, path};
}

} // namespace sluice::http

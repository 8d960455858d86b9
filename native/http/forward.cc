#include "http/forward.h"

#include <span>

#include "http/edits.h"
#include "http/fields.h"
#include "http/route.h"
#include "http/scan.h"

namespace sluice::http {
namespace {

/// What becomes of a field line.
enum class Fate : std::uint8_t { Copy, Rewrite, Drop };

/// Copies neighbouring lines together.
class LineRun {
 public:
  explicit LineRun(HeadWriter& out) noexcept : out_(out) {}
  void add(std::string_view line) noexcept {
    if (run_.data() + run_.size() == line.data()) {
      run_ = {run_.data(), run_.size() + line.size()};
      return;
    }
    flush();
    run_ = line;
  }
  void flush() noexcept {
    out_.append(run_);
    run_ = {};
  }

 private:
  HeadWriter& out_;
  std::string_view run_;
};

/// The value in normal form, for lines that may not be copied.
void rewriteField(HeadWriter& out, const Field& field, std::uint64_t contentLength) {
  switch (field.id) {
  case FieldId::ContentLength:
    out.append("Content-Length: ");
    out.appendNumber(contentLength);
    out.append("\r\n");
    break;
  case FieldId::TransferEncoding:
    out.append("Transfer-Encoding: chunked\r\n");
    break;
  default:
    out.appendField(field.name, field.value);
  }
}

class RequestWriter {
 public:
  RequestWriter(HeadWriter& out, const RequestHead& head, const ForwardContext& context) noexcept
      : out_(out), head_(head), context_(context), edits_(context.route.requestEdits),
        mode_(context.listener.forwarded),
        isBelieved_(mode_ != ForwardedMode::Off &&
                    (mode_ == ForwardedMode::Append || context.isTrusted)) {}

  void write() noexcept {
    writeRequestLine();
    writeFields();
    writeConnection();
    if (!context_.authorization.empty()) {
      out_.appendField("Proxy-Authorization", context_.authorization);
    }
    if (mode_ != ForwardedMode::Off) {
      writeForwarded();
    }
    for (const plan::HeaderEdit& edit : context_.clientEdits) {
      if (edit.op == EditOp::Set && !isEditedAway(edits_, edit.name)) {
        out_.appendField(edit.name, edit.value);
      }
    }
    writeEdits(out_, edits_);
    out_.append("\r\n");
  }

 private:
  /// Of the whole of a host (RFC 9112, section 3.2.4) a parent is asked without a path.
  void writeRequestLine() {
    const RewrittenPath path = rewritePath(context_.route, context_.path);
    out_.append(head_.method);
    out_.append(' ');
    if (context_.isToParent) {
      out_.append("http://");
      out_.append(head_.authority);
    }
    if (!context_.isToParent || path.rest != "*") {
      out_.append(path.prefix);
      out_.append(path.rest);
    }
    out_.append(head_.query);
    out_.append(" HTTP/1.1\r\n");
  }

  void writeFields() {
    const bool copiesHost =
        context_.route.hostHeader == HostHeaderKind::Client && !head_.isAbsoluteForm;
    if (!head_.fields.has(FieldId::Host)) {
      writeHost();
    }
    LineRun run(out_);
    for (const Field& field : head_.fields) {
      if (field.id == FieldId::Host && !(copiesHost && field.isCanonical)) {
        run.flush();
        writeHost();
        continue;
      }
      switch (fateOf(field)) {
      case Fate::Copy:
        run.add(field.line);
        break;
      case Fate::Rewrite:
        run.flush();
        rewriteField(out_, field, head_.contentLength);
        break;
      case Fate::Drop:
        break;
      }
    }
    run.flush();
  }

  void writeHost() {
    const plan::Route& route = context_.route;
    switch (route.hostHeader) {
    case HostHeaderKind::Client:
      // HTTP/1.0 may come without; HTTP/1.1 may not leave so.
      out_.appendField("Host",
                       head_.authority.empty() ? context_.target.authority : head_.authority);
      break;
    case HostHeaderKind::Target:
      out_.appendField("Host", context_.target.authority);
      break;
    case HostHeaderKind::Literal:
      out_.appendField("Host", route.hostHeaderValue);
      break;
    }
  }

  [[nodiscard]] Fate fateOf(const Field& field) const {
    if (field.isNominated || !isOurs(field.name)) {
      return Fate::Drop;
    }
    switch (field.id) {
    case FieldId::Connection:
    case FieldId::Upgrade:
    case FieldId::KeepAlive:
    case FieldId::Te:
    case FieldId::Trailer:
    case FieldId::Proxy:
    case FieldId::ProxyConnection:
    case FieldId::ProxyAuthenticate:
    case FieldId::ProxyAuthorization:
    case FieldId::ProxyAuthenticationInfo:
    case FieldId::Http2Settings:
    case FieldId::UnderscoreTwin:
      return Fate::Drop;
    case FieldId::XForwardedFor:
    case FieldId::Forwarded:
      // Written anew, with ours behind what is believed.
      return Fate::Drop;
    case FieldId::XForwardedProto:
    case FieldId::XForwardedHost:
    case FieldId::XForwardedOther:
    case FieldId::XRealIp:
      if (!isBelieved_) {
        return Fate::Drop;
      }
      break;
    case FieldId::Expect:
      // RFC 9110 10.1.1: an HTTP/1.0 client cannot mean it.
      if (head_.minorVersion == 0) {
        return Fate::Drop;
      }
      break;
    default:
      break;
    }
    return field.isCanonical ? Fate::Copy : Fate::Rewrite;
  }

  void writeConnection() {
    if (context_.keepUpgrade && head_.wantsUpgrade) {
      out_.append("Connection: upgrade\r\nUpgrade: ");
      out_.append(head_.upgradeProtocol);
      out_.append("\r\n");
    } else if (head_.acceptsTrailers) {
      out_.append("TE: trailers\r\nConnection: TE\r\n");
    }
  }

  void writeForwarded() {
    const std::string_view client =
        context_.clientIp.empty() ? std::string_view("unknown") : context_.clientIp;
    if (isOurs("X-Forwarded-For")) {
      out_.append("X-Forwarded-For: ");
      writeBelieved(FieldId::XForwardedFor);
      out_.append(client);
      out_.append("\r\n");
    }
    if (isMissing(FieldId::XForwardedProto) && isOurs("X-Forwarded-Proto")) {
      out_.append("X-Forwarded-Proto: ");
      out_.append(scheme());
      out_.append("\r\n");
    }
    if (isMissing(FieldId::XForwardedHost) && !head_.authority.empty() &&
        isOurs("X-Forwarded-Host")) {
      out_.append("X-Forwarded-Host: ");
      out_.append(head_.authority);
      out_.append("\r\n");
    }
    if (isMissing(FieldId::XRealIp) && !context_.clientIp.empty() && isOurs("X-Real-IP")) {
      out_.append("X-Real-IP: ");
      out_.append(client);
      out_.append("\r\n");
    }
    if (isOurs("Forwarded")) {
      writeForwardedElement(client);
    }
  }

  /// RFC 7239 section 4.
  void writeForwardedElement(std::string_view client) {
    const bool isIpv6 = client.find(':') != std::string_view::npos;
    out_.append("Forwarded: ");
    writeBelieved(FieldId::Forwarded);
    out_.append(isIpv6 ? std::string_view("for=\"[") : std::string_view("for="));
    out_.append(client);
    out_.append(isIpv6 ? std::string_view("]\"") : std::string_view());
    if (!head_.authority.empty()) {
      const std::string_view quote = isToken(head_.authority) ? "" : "\"";
      out_.append(";host=");
      out_.append(quote);
      out_.append(head_.authority);
      out_.append(quote);
    }
    out_.append(";proto=");
    out_.append(scheme());
    out_.append("\r\n");
  }

  void writeBelieved(FieldId id) {
    if (!isBelieved_ || !head_.fields.has(id)) {
      return;
    }
    for (const Field& field : head_.fields) {
      if (field.id == id && !field.value.empty()) {
        out_.append(field.value);
        out_.append(", ");
      }
    }
  }

  [[nodiscard]] bool isMissing(FieldId id) const { return !isBelieved_ || !head_.fields.has(id); }
  [[nodiscard]] bool isOurs(std::string_view name) const {
    return (edits_.empty() || !isEditedAway(edits_, name)) &&
           (context_.clientEdits.empty() || !mayPassFor(context_.clientEdits, name));
  }
  [[nodiscard]] std::string_view scheme() const {
    return context_.listener.serverTls == plan::kNone ? "http" : "https";
  }

  HeadWriter& out_;
  const RequestHead& head_;
  const ForwardContext& context_;
  std::span<const plan::HeaderEdit> edits_;
  ForwardedMode mode_;
  /// What the request says about those in front of us is kept.
  bool isBelieved_;
};

/// How the response leaves: decided once, then every field is judged by it.
struct ResponseShape {
  bool isInterim;
  bool keepsLength;
  bool writesLength;
  bool writesChunked;
  bool closes;
};

ResponseShape shapeOf(const ResponseHead& head, const ClientFraming& framing) {
  const bool hasLength = head.fields.has(FieldId::ContentLength);
  const bool isBodiless = head.status < 200 || head.status == 204 || framing.kind == Framing::None;
  const bool isAsIs = framing.kind == Framing::AsIs;
  const bool isSameLength = hasLength && framing.length == head.contentLength;
  ResponseShape shape;
  shape.isInterim = head.status < 200;
  shape.keepsLength =
      !isBodiless && hasLength && (isAsIs || (framing.kind == Framing::Length && isSameLength));
  shape.writesLength = !isBodiless && framing.kind == Framing::Length && !isSameLength;
  shape.writesChunked = !isBodiless && (framing.kind == Framing::Chunked ||
                                        (isAsIs && head.body == BodyKind::Chunked));
  shape.closes = framing.connection == ConnectionOption::Close ||
                 framing.kind == Framing::UntilClose ||
                 (isAsIs && head.body == BodyKind::UntilClose);
  return shape;
}

Fate fateOf(const Field& field, const ResponseShape& shape,
            std::span<const plan::HeaderEdit> edits) {
  if (field.isNominated || (!edits.empty() && isEditedAway(edits, field.name))) {
    return Fate::Drop;
  }
  switch (field.id) {
  case FieldId::Connection:
  case FieldId::Upgrade:
  case FieldId::KeepAlive:
  case FieldId::Te:
  case FieldId::Trailer:
  case FieldId::TransferEncoding:
  case FieldId::ProxyConnection:
  case FieldId::ProxyAuthenticate:
  case FieldId::ProxyAuthorization:
  case FieldId::ProxyAuthenticationInfo:
    return Fate::Drop;
  case FieldId::ContentLength:
    if (!shape.keepsLength) {
      return Fate::Drop;
    }
    break;
  default:
    break;
  }
  return field.isCanonical ? Fate::Copy : Fate::Rewrite;
}

} // namespace

bool writeRequestHead(HeadWriter& out, const RequestHead& head,
                      const ForwardContext& context) noexcept {
  RequestWriter(out, head, context).write();
  return !out.hasOverflowed();
}

bool writeResponseHead(HeadWriter& out, const ResponseHead& head, const plan::Route& route,
                       ClientFraming framing) noexcept {
  const ResponseShape shape = shapeOf(head, framing);
  const std::span<const plan::HeaderEdit> edits =
      shape.isInterim ? std::span<const plan::HeaderEdit>() : route.responseEdits;
  out.append("HTTP/1.1 ");
  out.appendNumber(head.status);
  out.append(' ');
  out.append(head.reason);
  out.append("\r\n");

  LineRun run(out);
  for (const Field& field : head.fields) {
    switch (fateOf(field, shape, edits)) {
    case Fate::Copy:
      run.add(field.line);
      break;
    case Fate::Rewrite:
      run.flush();
      rewriteField(out, field, head.contentLength);
      break;
    case Fate::Drop:
      break;
    }
  }
  run.flush();

  if (shape.writesLength) {
    out.append("Content-Length: ");
    out.appendNumber(framing.length);
    out.append("\r\n");
  } else if (shape.writesChunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
  if (head.status == 101) {
    out.append("Connection: upgrade\r\n");
    out.appendField("Upgrade", head.upgradeProtocol);
  } else if (!shape.isInterim && shape.closes) {
    out.append("Connection: close\r\n");
  } else if (!shape.isInterim && framing.connection == ConnectionOption::KeepAlive) {
    out.append("Connection: keep-alive\r\n");
  }
  writeEdits(out, edits);
  out.append("\r\n");
  return !out.hasOverflowed();
}

} // namespace sluice::http

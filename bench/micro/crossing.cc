// The pieces of work of native/micro/work.h, called from JavaScript through N-API. A development addon of the
// micro-benches, built by them into build/micro/crossing.node: the product's addon has no such calls, because
// nothing on its byte path crosses to JavaScript. N-API's C functions are called directly, so that what is measured is
// the crossing and no wrapper. Main thread; what an environment loads lives as long as it.
// Its exports are declared in bench/micro/crossing.ts.
#include <node_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "micro/work.h"

namespace sluice::micro {
namespace {

/// Longest host and path that a bench asks for.
constexpr std::size_t kTextBytes = 1024;

template<std::size_t Count>
struct Arguments {
  std::array<napi_value, Count> values{};
  Work* work = nullptr;
  bool areAll = false;
};

template<std::size_t Count>
Arguments<Count> argumentsOf(napi_env env, napi_callback_info info) noexcept {
  Arguments<Count> arguments;
  std::size_t count = Count;
  void* data = nullptr;
  arguments.areAll =
      napi_get_cb_info(env, info, &count, arguments.values.data(), nullptr, &data) == napi_ok &&
      count == Count;
  arguments.work = static_cast<Work*>(data);
  return arguments;
}

napi_value refuse(napi_env env, const char* what) noexcept {
  napi_throw_type_error(env, nullptr, what);
  return nullptr;
}

napi_value number(napi_env env, std::int32_t value) noexcept {
  napi_value out = nullptr;
  napi_create_int32(env, value, &out);
  return out;
}

napi_value text(napi_env env, std::string_view value) noexcept {
  napi_value out = nullptr;
  napi_create_string_latin1(env, value.data(), value.size(), &out);
  return out;
}

bool readNumber(napi_env env, napi_value value, std::size_t limit, std::uint32_t& out) noexcept {
  return napi_get_value_uint32(env, value, &out) == napi_ok && out < limit;
}

bool readBytes(napi_env env, napi_value value, std::span<char>& out) noexcept {
  napi_typedarray_type type = napi_uint8_array;
  std::size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return false;
  }
  out = {static_cast<char*>(data), length};
  return true;
}

class Text {
 public:
  [[nodiscard]] bool read(napi_env env, napi_value value) noexcept {
    return napi_get_value_string_latin1(env, value, bytes_.data(), bytes_.size(), &length_) ==
           napi_ok;
  }
  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), length_}; }

 private:
  // Left unset: only what read() has written is looked at.
  std::array<char, kTextBytes> bytes_;
  std::size_t length_ = 0;
};

napi_value takePlan(napi_env env, napi_callback_info info) {
  const auto [values, work, areAll] = argumentsOf<1>(env, info);
  std::span<char> bytes;
  if (!areAll || !readBytes(env, values[0], bytes)) {
    return refuse(env, "takePlan(plan)");
  }
  return text(env, work->takePlan(std::vector<std::uint8_t>(bytes.begin(), bytes.end())));
}

napi_value takeHead(napi_env env, napi_callback_info info) {
  const auto [values, work, areAll] = argumentsOf<1>(env, info);
  std::span<char> bytes;
  if (!areAll || !work->hasPlan() || !readBytes(env, values[0], bytes)) {
    return refuse(env, "takeHead(head), after a plan");
  }
  return text(env, work->takeHead({bytes.data(), bytes.size()}));
}

/// The number of fields, or -1.
napi_value parse(napi_env env, napi_callback_info info) {
  const auto [values, work, areAll] = argumentsOf<1>(env, info);
  std::span<char> bytes;
  if (!areAll || !readBytes(env, values[0], bytes)) {
    return refuse(env, "parse(head)");
  }
  const http::RequestHead* head = work->parse({bytes.data(), bytes.size()});
  return number(env, head == nullptr ? -1 : static_cast<std::int32_t>(head->fields.size()));
}

/// method, target, name, value, name, value, …
napi_value parseToStrings(napi_env env, napi_callback_info info) {
  const auto [values, work, areAll] = argumentsOf<1>(env, info);
  std::span<char> bytes;
  if (!areAll || !readBytes(env, values[0], bytes)) {
    return refuse(env, "parseToStrings(head)");
  }
  const http::RequestHead* head = work->parse({bytes.data(), bytes.size()});
  napi_value out = nullptr;
  napi_create_array_with_length(env, head == nullptr ? 0 : 2 + 2 * head->fields.size(), &out);
  if (head == nullptr) {
    return out;
  }
  napi_set_element(env, out, 0, text(env, head->method));
  napi_set_element(env, out, 1, text(env, head->target));
  std::uint32_t at = 2;
  for (const http::Field& field : head->fields) {
    napi_set_element(env, out, at++, text(env, field.name));
    napi_set_element(env, out, at++, text(env, field.value));
  }
  return out;
}

napi_value route(napi_env env, napi_callback_info info) {
  const auto [values, work, areAll] = argumentsOf<3>(env, info);
  std::uint32_t listener = 0;
  Text host;
  Text path;
  if (!areAll || !work->hasPlan() ||
      !readNumber(env, values[0], work->plan().listeners.size(), listener) ||
      !host.read(env, values[1]) || !path.read(env, values[2])) {
    return refuse(env, "route(listener, host, path)");
  }
  return number(env, work->route(work->plan().listeners[listener], host.view(), path.view()));
}

napi_value restart(napi_env env, napi_callback_info info) {
  const auto [values, work, areAll] = argumentsOf<2>(env, info);
  std::uint32_t pool = 0;
  std::uint32_t seed = 0;
  if (!areAll || !work->hasPlan() || !readNumber(env, values[0], work->plan().pools.size(), pool) ||
      !readNumber(env, values[1], std::size_t{1} << 32, seed)) {
    return refuse(env, "restart(pool, seed)");
  }
  work->restart(work->plan().pools[pool], seed);
  return nullptr;
}

napi_value pick(napi_env env, napi_callback_info info) {
  const auto [values, work, areAll] = argumentsOf<2>(env, info);
  std::uint32_t pool = 0;
  std::uint32_t client = 0;
  if (!areAll || !work->hasPlan() || !readNumber(env, values[0], work->plan().pools.size(), pool) ||
      !readNumber(env, values[1], std::size_t{1} << 32, client)) {
    return refuse(env, "pick(pool, client)");
  }
  return number(env, work->pick(work->plan().pools[pool], client));
}

/// Length of what was written into `out`; 0 when it did not fit.
napi_value forward(napi_env env, napi_callback_info info) {
  const auto [values, work, areAll] = argumentsOf<3>(env, info);
  std::uint32_t routeIndex = 0;
  std::uint32_t target = 0;
  std::span<char> out;
  if (!areAll || !work->hasPlan() || !work->hasHead() ||
      !readNumber(env, values[0], work->plan().routes.size(), routeIndex) ||
      !readNumber(env, values[1], work->plan().targets.size(), target) ||
      !readBytes(env, values[2], out)) {
    return refuse(env, "forward(route, target, out), after a head");
  }
  const plan::Plan& plan = work->plan();
  const std::size_t length = work->forward(plan.routes[routeIndex], plan.targets[target], out);
  return number(env, static_cast<std::int32_t>(length));
}

} // namespace
} // namespace sluice::micro

NAPI_MODULE_INIT() {
  using sluice::micro::Work;
  auto* work = new Work();
  napi_set_instance_data(
      env, work, [](napi_env, void* data, void*) { delete static_cast<Work*>(data); }, nullptr);
  const auto function = [work](const char* name, napi_callback call) {
    return napi_property_descriptor{.utf8name = name,
                                    .name = nullptr,
                                    .method = call,
                                    .getter = nullptr,
                                    .setter = nullptr,
                                    .value = nullptr,
                                    .attributes = napi_enumerable,
                                    .data = work};
  };
  const std::array functions{function("takePlan", sluice::micro::takePlan),
                             function("takeHead", sluice::micro::takeHead),
                             function("parse", sluice::micro::parse),
                             function("parseToStrings", sluice::micro::parseToStrings),
                             function("route", sluice::micro::route),
                             function("restart", sluice::micro::restart),
                             function("pick", sluice::micro::pick),
                             function("forward", sluice::micro::forward)};
  napi_define_properties(env, exports, functions.size(), functions.data());
  return exports;
}

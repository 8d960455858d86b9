// The N-API boundary, and nothing else: unwraps arguments, calls worker::Engine, wraps what it
// says. The reviewed contract is src/engine/native/addon.d.ts. No call throws for a run-time fault;
// a wrong argument is a TypeError. Each engine belongs to the environment that made it and is
// closed when that environment ends, so that neither process exit nor a worker_thread's end leaves
// threads behind.
#include <napi.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "worker/engine.h"

namespace sluice::addon {

namespace {

constexpr napi_type_tag kEngineTag{0x536c756963654e61ULL, 0x74697665456e6731ULL};

const char* failureName(worker::FailureKind kind) noexcept {
  switch (kind) {
  case worker::FailureKind::Plan:
    return "plan";
  case worker::FailureKind::Listen:
    return "listen";
  case worker::FailureKind::Log:
    return "log";
  case worker::FailureKind::Tls:
    return "tls";
  case worker::FailureKind::Resource:
  case worker::FailureKind::None:
    break;
  }
  return "resource";
}

class NativeEngine final : public Napi::ObjectWrap<NativeEngine>, public worker::OutboxOwner {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeEngine",
                       {InstanceMethod<&NativeEngine::apply>("apply"),
                        InstanceMethod<&NativeEngine::settled>("settled"),
                        InstanceMethod<&NativeEngine::loop>("loop"),
                        InstanceMethod<&NativeEngine::kernelTlsProblem>("kernelTlsProblem"),
                        InstanceMethod<&NativeEngine::snapshot>("snapshot"),
                        InstanceMethod<&NativeEngine::targetStates>("targetStates"),
                        InstanceMethod<&NativeEngine::userStates>("userStates"),
                        InstanceMethod<&NativeEngine::onQuestions>("onQuestions"),
                        InstanceMethod<&NativeEngine::answerName>("answerName"),
                        InstanceMethod<&NativeEngine::answerPassword>("answerPassword"),
                        InstanceMethod<&NativeEngine::drain>("drain"),
                        InstanceMethod<&NativeEngine::open>("open"),
                        InstanceMethod<&NativeEngine::close>("close")});
  }

  explicit NativeEngine(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<NativeEngine>(info), env_(info.Env()) {
    const std::uint32_t workers =
        info.Length() > 0 && info[0].IsNumber() ? info[0].As<Napi::Number>().Uint32Value() : 0;
    if (workers < 1 || workers > 256) {
      Napi::TypeError::New(env_, "workers: expected 1 to 256").ThrowAsJavaScriptException();
      return;
    }
    worker::LoopWish loop = worker::LoopWish::Auto;
    if (!readLoop(info, loop)) {
      Napi::TypeError::New(env_, "loop: expected auto, epoll or io_uring")
          .ThrowAsJavaScriptException();
      return;
    }
    napi_type_tag_object(env_, info.This(), &kEngineTag);
    engine_ = std::make_unique<worker::Engine>(workers, loop);
    napi_add_env_cleanup_hook(env_, &NativeEngine::onEnvironmentEnd, this);
  }
  ~NativeEngine() override {
    releaseAsker();
    if (engine_) {
      napi_remove_env_cleanup_hook(env_, &NativeEngine::onEnvironmentEnd, this);
    }
  }

 private:
  static bool readLoop(const Napi::CallbackInfo& info, worker::LoopWish& loop) {
    if (info.Length() < 2 || info[1].IsUndefined()) {
      return true;
    }
    const std::string name =
        info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : std::string();
    loop = name == "auto"       ? worker::LoopWish::Auto
           : name == "io_uring" ? worker::LoopWish::IoUring
                                : worker::LoopWish::Epoll;
    return loop != worker::LoopWish::Epoll || name == "epoll";
  }

  static void onEnvironmentEnd(void* self) {
    auto* engine = static_cast<NativeEngine*>(self);
    engine->engine_->close();
    engine->releaseAsker();
  }

  /// After the workers have ended: nobody asks any more.
  void releaseAsker() {
    if (asker_ != nullptr) {
      engine_->close();
      napi_release_threadsafe_function(std::exchange(asker_, nullptr), napi_tsfn_abort);
    }
  }

  /// On a worker's thread.
  void onQuestions() noexcept override {
    napi_call_threadsafe_function(asker_, nullptr, napi_tsfn_nonblocking);
  }

  /// On the main thread: hands each question to the function that was given for it.
  static void passQuestions(napi_env env, napi_value function, void* self, void*) {
    auto* engine = static_cast<NativeEngine*>(self);
    if (env == nullptr || engine->asker_ == nullptr) {
      return;
    }
    const Napi::Env environment(env);
    for (const upstream::Question& question : engine->engine_->takeQuestions()) {
      const napi_value arguments[] = {
          Napi::Number::New(environment, static_cast<double>(question.id)),
          Napi::Number::New(environment, static_cast<double>(question.kind)),
          Napi::String::New(environment, question.subject),
          Napi::String::New(environment, question.name),
          Napi::String::New(environment, question.password)};
      napi_value result = nullptr;
      napi_call_function(env, environment.Undefined(), function, std::size(arguments), arguments,
                         &result);
    }
  }

  /// `onQuestions(function)`: to be called before the first plan, once.
  Napi::Value onQuestions(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!isEngine(info)) {
      return env.Undefined();
    }
    if (info.Length() < 1 || !info[0].IsFunction() || asker_ != nullptr) {
      Napi::TypeError::New(env, "expected a function, once").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    napi_create_threadsafe_function(env, info[0], nullptr, Napi::String::New(env, "sluice"), 0, 1,
                                    nullptr, nullptr, this, &NativeEngine::passQuestions, &asker_);
    // It keeps no process alive.
    napi_unref_threadsafe_function(env, asker_);
    engine_->setOutboxOwner(this);
    return env.Undefined();
  }

  static std::uint64_t questionOf(const Napi::CallbackInfo& info) {
    return info.Length() > 0 && info[0].IsNumber()
               ? static_cast<std::uint64_t>(info[0].As<Napi::Number>().Int64Value())
               : 0;
  }

  /// `answerName(question, error, ttlMs, addresses)`: 17 bytes an address, the family's number and 16
  /// in network order.
  Napi::Value answerName(const Napi::CallbackInfo& info) {
    constexpr std::size_t kAddressBytes = 17;
    const Napi::Env env = info.Env();
    if (!isEngine(info)) {
      return env.Undefined();
    }
    if (info.Length() < 4 || !info[1].IsNumber() || !info[2].IsNumber() ||
        !info[3].IsTypedArray() ||
        info[3].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
      Napi::TypeError::New(env, "expected a question, an error, a time and addresses")
          .ThrowAsJavaScriptException();
      return env.Undefined();
    }
    const std::uint32_t error = info[1].As<Napi::Number>().Uint32Value();
    upstream::NameAnswer answer;
    answer.error = error < kErrcCount ? static_cast<Errc>(error) : Errc::NameNotFound;
    answer.ttlMs = info[2].As<Napi::Number>().Uint32Value();
    const auto bytes = info[3].As<Napi::Uint8Array>();
    for (std::size_t at = 0; at + kAddressBytes <= bytes.ByteLength(); at += kAddressBytes) {
      const std::uint8_t* address = bytes.Data() + at;
      net::IpPort out;
      out.family = *address == static_cast<std::uint8_t>(AddressFamily::Ipv4) ? AddressFamily::Ipv4
                                                                              : AddressFamily::Ipv6;
      std::copy_n(address + 1, out.bytes.size(), out.bytes.begin());
      answer.addresses.push_back(out);
    }
    engine_->answerName(questionOf(info), std::move(answer));
    return env.Undefined();
  }

  /// `answerPassword(question, isRight)`
  Napi::Value answerPassword(const Napi::CallbackInfo& info) {
    if (isEngine(info)) {
      engine_->answerPassword(questionOf(info), info.Length() > 1 && info[1].IsBoolean() &&
                                                    info[1].As<Napi::Boolean>().Value());
    }
    return info.Env().Undefined();
  }

  Napi::Value userStates(const Napi::CallbackInfo& info) {
    return fill(info, [this](std::span<double> into) { return engine_->userStates(into); });
  }

  bool isEngine(const Napi::CallbackInfo& info) {
    bool isTagged = false;
    napi_check_object_type_tag(info.Env(), info.This(), &kEngineTag, &isTagged);
    if (!isTagged || !engine_) {
      Napi::TypeError::New(info.Env(), "not a native engine").ThrowAsJavaScriptException();
      return false;
    }
    return true;
  }

  Napi::Value apply(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!isEngine(info)) {
      return env.Undefined();
    }
    if (info.Length() < 1 || !info[0].IsTypedArray() ||
        info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
      Napi::TypeError::New(env, "encodedPlan: expected a Uint8Array").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    const auto bytes = info[0].As<Napi::Uint8Array>();
    const worker::Applied applied = engine_->apply({bytes.Data(), bytes.ByteLength()});
    if (applied.failure != worker::FailureKind::None) {
      Napi::Object failure = Napi::Object::New(env);
      set(failure, "kind", Napi::String::New(env, failureName(applied.failure)));
      set(failure, "listener", Napi::Number::New(env, applied.listener));
      set(failure, "errno", Napi::String::New(env, applied.errorName));
      set(failure, "detail", Napi::String::New(env, applied.detail));
      return failure;
    }
    Napi::Array ports = Napi::Array::New(env, applied.ports.size());
    for (std::uint32_t i = 0; i < applied.ports.size(); ++i) {
      napi_set_element(env, ports, i, Napi::Number::New(env, applied.ports[i]));
    }
    return ports;
  }

  static void set(Napi::Object& object, const char* key, napi_value value) {
    napi_set_named_property(object.Env(), object, key, value);
  }

  Napi::Value settled(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), isEngine(info) && engine_->isSettled());
  }

  Napi::Value loop(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!isEngine(info)) {
      return env.Undefined();
    }
    const worker::LoopState state = engine_->loop();
    Napi::Object out = Napi::Object::New(env);
    out.Set("name", state.kind == worker::LoopKind::IoUring ? "io_uring" : "epoll");
    out.Set("problem", state.problem);
    return out;
  }

  Napi::Value kernelTlsProblem(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(),
                             isEngine(info) ? worker::Engine::kernelTlsProblem() : std::string());
  }

  template<typename Fill>
  Napi::Value fill(const Napi::CallbackInfo& info, Fill copy) {
    const Napi::Env env = info.Env();
    if (!isEngine(info)) {
      return env.Undefined();
    }
    if (info.Length() < 1 || !info[0].IsTypedArray() ||
        info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
      Napi::TypeError::New(env, "into: expected a Float64Array").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    auto into = info[0].As<Napi::Float64Array>();
    return Napi::Number::New(
        env, static_cast<double>(copy(std::span<double>(into.Data(), into.ElementLength()))));
  }

  Napi::Value snapshot(const Napi::CallbackInfo& info) {
    return fill(info, [this](std::span<double> into) { return engine_->snapshot(into); });
  }
  Napi::Value targetStates(const Napi::CallbackInfo& info) {
    return fill(info, [this](std::span<double> into) { return engine_->targetStates(into); });
  }

  Napi::Value drain(const Napi::CallbackInfo& info) {
    if (isEngine(info)) {
      engine_->drain();
    }
    return info.Env().Undefined();
  }
  Napi::Value open(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), isEngine(info) ? engine_->openFlows() : 0);
  }
  Napi::Value close(const Napi::CallbackInfo& info) {
    if (isEngine(info)) {
      engine_->close();
      // The function that answers holds this engine: letting go of it lets both be collected.
      releaseAsker();
    }
    return info.Env().Undefined();
  }

  napi_env env_;
  /// How workers reach the main thread; null until there is somebody to ask.
  napi_threadsafe_function asker_ = nullptr;
  std::unique_ptr<worker::Engine> engine_;
};

/// What one environment (the main thread, or a worker_thread) keeps of the addon.
struct Instance {
  Napi::FunctionReference engineClass;
};

Napi::Value createEngine(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto* instance = env.GetInstanceData<Instance>();
  const auto argument = [&](std::size_t index) {
    return info.Length() > index ? static_cast<napi_value>(info[index])
                                 : static_cast<napi_value>(env.Undefined());
  };
  return instance->engineClass.New({argument(0), argument(1)}).UnwrapOr(Napi::Object());
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto instance = std::make_unique<Instance>();
  instance->engineClass = Napi::Persistent(NativeEngine::define(env));
  env.SetInstanceData(instance.release());
  napi_set_named_property(env, exports, "abi", Napi::String::New(env, std::string(kAbi)));
  napi_set_named_property(env, exports, "createEngine", Napi::Function::New(env, createEngine));
  return exports;
}

} // namespace

} // namespace sluice::addon

static Napi::Object initSluice(Napi::Env env, Napi::Object exports) {
  return sluice::addon::init(env, exports);
}

NODE_API_MODULE(sluice, initSluice)

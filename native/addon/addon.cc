// The N-API boundary, and nothing else: unwraps arguments, calls worker::Engine, wraps what it
// says. The reviewed contract is src/engine/native/addon.d.ts. No call throws for a run-time fault;
// a wrong argument is a TypeError. Each engine belongs to the environment that made it and is
// closed when that environment ends, so that neither process exit nor a worker_thread's end leaves
// threads behind.
#include <napi.h>

#include <memory>
#include <string>

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

class NativeEngine final : public Napi::ObjectWrap<NativeEngine> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeEngine",
                       {InstanceMethod<&NativeEngine::apply>("apply"),
                        InstanceMethod<&NativeEngine::settled>("settled"),
                        InstanceMethod<&NativeEngine::loopProblem>("loopProblem"),
                        InstanceMethod<&NativeEngine::snapshot>("snapshot"),
                        InstanceMethod<&NativeEngine::targetStates>("targetStates"),
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
    worker::LoopKind loop = worker::LoopKind::Epoll;
    if (!readLoop(info, loop)) {
      Napi::TypeError::New(env_, "loop: expected epoll or io_uring").ThrowAsJavaScriptException();
      return;
    }
    napi_type_tag_object(env_, info.This(), &kEngineTag);
    engine_ = std::make_unique<worker::Engine>(workers, loop);
    napi_add_env_cleanup_hook(env_, &NativeEngine::onEnvironmentEnd, this);
  }
  ~NativeEngine() override {
    if (engine_) {
      napi_remove_env_cleanup_hook(env_, &NativeEngine::onEnvironmentEnd, this);
    }
  }

 private:
  static bool readLoop(const Napi::CallbackInfo& info, worker::LoopKind& loop) {
    if (info.Length() < 2 || info[1].IsUndefined()) {
      return true;
    }
    const std::string name =
        info[1].IsString() ? info[1].As<Napi::String>().Utf8Value() : std::string();
    loop = name == "io_uring" ? worker::LoopKind::IoUring : worker::LoopKind::Epoll;
    return name == "epoll" || name == "io_uring";
  }

  static void onEnvironmentEnd(void* self) { static_cast<NativeEngine*>(self)->engine_->close(); }

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

  Napi::Value loopProblem(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), isEngine(info) ? engine_->loopProblem() : std::string());
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
    }
    return info.Env().Undefined();
  }

  napi_env env_;
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

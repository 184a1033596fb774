// V8's inspector, as it has to be declared for it to be called: v8-inspector.h is not among Node's headers.
//
// Declared here is no more than what decides about machine code: the order of virtual functions, what they take and
// give, and how structures lie in memory. Where a function only holds a place, because the engine neither calls nor
// overrides it, its parameters are left out. The order is that of the tables of virtual functions in Node's own
// programs
// (`V8InspectorImpl`, `V8InspectorSessionImpl`, `NodeInspectorClient`), read for each major version; another one needs
// that look, and fixtures/js/test_inspector.py to pass on it.
#pragma once

#include <v8.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace v8_inspector {

// Text of one byte (UTF-8 where it goes to V8) or two bytes a character, that somebody else keeps.
class StringView {
 public:
  StringView() = default;
  StringView(const uint8_t* text, size_t length) : length_(length), narrow_(text) {}
  explicit StringView(const char* text)
      : length_(__builtin_strlen(text)), narrow_(reinterpret_cast<const uint8_t*>(text)) {}

  bool is_narrow() const { return is_narrow_; }
  size_t length() const { return length_; }
  const uint8_t* narrow() const { return narrow_; }
  const uint16_t* wide() const { return wide_; }

 private:
  bool is_narrow_ = true;
  size_t length_ = 0;
  union {
    const uint8_t* narrow_ = nullptr;
    const uint16_t* wide_;
  };
};

class StringBuffer {
 public:
  virtual ~StringBuffer() = default;
  virtual StringView string() const = 0;
};

struct V8ContextInfo {
  v8::Local<v8::Context> context;
  int group;
  StringView name;
  StringView origin;
  StringView auxiliary;
  bool has_memory_on_console = false;
};

class V8StackTrace;
// Never made here.
struct DeepSerializationResult {};

class V8InspectorSession {
 public:
  virtual ~V8InspectorSession() = default;
  virtual void addInspectedObject() = 0;
  virtual void dispatchProtocolMessage(StringView message) = 0;
  virtual void state() = 0;
  virtual void supportedDomains() = 0;
#if V8_MAJOR_VERSION < 12
  virtual void initializeCommandLineAPIScope() = 0;
#endif
  // The reason, and JSON with more about it.
  virtual void schedulePauseOnNextStatement(StringView reason, StringView details) = 0;
  virtual void cancelPauseOnNextStatement() = 0;
  virtual void breakProgram() = 0;
  virtual void setSkipAllPauses(bool skips) = 0;
  virtual void resume(bool terminates) = 0;
  // More that the engine does not call.
};

class V8InspectorClient {
 public:
  using Text = std::unique_ptr<StringBuffer>;
  using TimerCallback = void (*)(void*);

  virtual ~V8InspectorClient() = default;
  virtual void runMessageLoopOnPause(int) {}
  virtual void runMessageLoopOnInstrumentationPause(int group) { runMessageLoopOnPause(group); }
  virtual void quitMessageLoopOnPause() {}
  virtual void runIfWaitingForDebugger(int) {}
  virtual void muteMetrics(int) {}
  virtual void unmuteMetrics(int) {}
  virtual void beginUserGesture() {}
  virtual void endUserGesture() {}
#if V8_MAJOR_VERSION >= 12
  virtual std::unique_ptr<DeepSerializationResult> deepSerialize(v8::Local<v8::Value>, int, v8::Local<v8::Object>) {
    return nullptr;
  }
#else
  virtual std::unique_ptr<DeepSerializationResult> serializeToWebDriverValue(v8::Local<v8::Value>, int) {
    return nullptr;
  }
#endif
  virtual Text valueSubtype(v8::Local<v8::Value>) { return nullptr; }
  virtual Text descriptionForValueSubtype(v8::Local<v8::Context>, v8::Local<v8::Value>) { return nullptr; }
  virtual bool isInspectableHeapObject(v8::Local<v8::Object>) { return true; }
  virtual v8::Local<v8::Context> ensureDefaultContextInGroup(int) { return {}; }
  virtual void beginEnsureAllContextsInGroup(int) {}
  virtual void endEnsureAllContextsInGroup(int) {}
  virtual void installAdditionalCommandLineAPI(v8::Local<v8::Context>, v8::Local<v8::Object>) {}
  virtual void consoleAPIMessage(int, v8::Isolate::MessageErrorLevel, const StringView&, const StringView&, unsigned,
                                 unsigned, V8StackTrace*) {}
#if V8_MAJOR_VERSION >= 14
  virtual void consoleAPIMessage(int, int, v8::Isolate::MessageErrorLevel, const StringView&, const StringView&,
                                 unsigned, unsigned, V8StackTrace*) {}
#endif
  virtual v8::MaybeLocal<v8::Value> memoryInfo(v8::Isolate*, v8::Local<v8::Context>) { return {}; }
#if V8_MAJOR_VERSION >= 13
  virtual void consoleTime(v8::Isolate*, v8::Local<v8::String>) {}
  virtual void consoleTimeEnd(v8::Isolate*, v8::Local<v8::String>) {}
  virtual void consoleTimeStamp(v8::Isolate*, v8::Local<v8::String>) {}
  virtual void consoleTimeStampWithArgs(v8::Isolate*, v8::Local<v8::String>, const v8::LocalVector<v8::Value>&) {}
#else
  virtual void consoleTime(const StringView&) {}
  virtual void consoleTimeEnd(const StringView&) {}
  virtual void consoleTimeStamp(const StringView&) {}
#endif
  virtual void consoleClear(int) {}
  virtual double currentTimeMS() { return 0; }
  virtual void startRepeatingTimer(double, TimerCallback, void*) {}
  virtual void cancelTimer(void*) {}
  virtual bool canExecuteScripts(int) { return true; }
  virtual void maxAsyncCallStackDepthChanged(int) {}
  virtual Text resourceNameToUrl(const StringView&) { return nullptr; }
  virtual int64_t generateUniqueId() { return 0; }
  virtual void dispatchError(v8::Local<v8::Context>, v8::Local<v8::Message>, v8::Local<v8::Value>) {}
};

class V8Inspector {
 public:
  enum ClientTrustLevel { kUntrusted, kFullyTrusted };
  enum SessionPauseState { kWaitingForDebugger, kNotWaitingForDebugger };

  // Whom a session speaks to.
  class Channel {
   public:
    virtual ~Channel() = default;
    virtual void sendResponse(int call, std::unique_ptr<StringBuffer> message) = 0;
    virtual void sendNotification(std::unique_ptr<StringBuffer> message) = 0;
    virtual void flushProtocolNotifications() = 0;
  };

  // The one function that is looked up by its name.
  // Weak: a Node.js may be built without its inspector.
  __attribute__((visibility("default"), weak)) static std::unique_ptr<V8Inspector> create(v8::Isolate*,
                                                                                          V8InspectorClient*);

  virtual ~V8Inspector() = default;
  virtual void contextCreated(const V8ContextInfo& info) = 0;
  virtual void contextDestroyed(v8::Local<v8::Context> context) = 0;
  virtual void resetContextGroup() = 0;
  virtual void contextById() = 0;
  virtual void uniqueDebuggerId() = 0;
#if V8_MAJOR_VERSION >= 13
  virtual void isolateId() = 0;
#endif
  virtual void idleStarted() = 0;
  virtual void idleFinished() = 0;
  virtual void asyncTaskScheduled() = 0;
  virtual void asyncTaskCanceled() = 0;
  virtual void asyncTaskStarted() = 0;
  virtual void asyncTaskFinished() = 0;
  virtual void allAsyncTasksCanceled() = 0;
  virtual void storeCurrentStackTrace() = 0;
  virtual void externalAsyncTaskStarted() = 0;
  virtual void externalAsyncTaskFinished() = 0;
  virtual void exceptionThrown() = 0;
  virtual void exceptionRevoked() = 0;
  virtual void associateExceptionData() = 0;
  virtual std::unique_ptr<V8InspectorSession> connect(int group, Channel* channel, StringView state,
                                                      ClientTrustLevel trust, SessionPauseState pause) = 0;
  // More that the engine does not call.
};

}  // namespace v8_inspector

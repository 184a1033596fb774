// Values of Python on their way to JavaScript.
#pragma once

#include <memory>
#include <vector>

#include "runtime.h"
#include "tape.h"

namespace amphis {

// Reads values from a tape that the addon has written. Runs nothing of the guest's, but where it makes a stream.
class Decoder {
 public:
  Decoder(Runtime* runtime, v8::Local<v8::Context> context, AmphisSpan tape);

  uint64_t varint();
  // Empty: an exception is pending.
  v8::MaybeLocal<v8::Value> value();
  v8::MaybeLocal<v8::String> name();

 private:
  v8::MaybeLocal<v8::Value> array();
  v8::MaybeLocal<v8::Value> object();
  v8::MaybeLocal<v8::Value> map();
  v8::MaybeLocal<v8::Value> set();
  v8::MaybeLocal<v8::Value> bigint();
  v8::MaybeLocal<v8::Value> error();
  v8::MaybeLocal<v8::Value> handle(uint8_t tag);
  v8::MaybeLocal<v8::Value> elements(uint8_t tag);
  v8::MaybeLocal<v8::String> key();
  std::unique_ptr<v8::BackingStore> allocate(size_t length);
  v8::MaybeLocal<v8::Value> fail(const char* message);
  uint8_t byte();
  double number();
  const uint8_t* take(size_t count);
  size_t reserve();

  Runtime* runtime_;
  v8::Isolate* isolate_;
  v8::Local<v8::Context> context_;
  const uint8_t* at_;
  const uint8_t* end_;
  std::vector<v8::Local<v8::String>> keys_;
  std::vector<v8::Local<v8::Value>> objects_;
};

}  // namespace amphis

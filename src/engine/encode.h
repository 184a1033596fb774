// Values of JavaScript on their way to Python.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime.h"
#include "tape.h"

namespace amphis {

// Writes values to a tape. Their getters and traps run, and may throw, loop, or come back.
class Encoder {
 public:
  Encoder(Runtime* runtime, v8::Local<v8::Context> context, AmphisBytes* out);

  // False: an exception is pending, execution was terminated, or `problem()` says what cannot cross.
  bool value(v8::Local<v8::Value> value, v8::Local<v8::Value> receiver, uint32_t depth = 0);
  // What was thrown, always.
  void thrown(v8::Local<v8::Value> value);

  const std::string& problem() const { return problem_; }
  TapeWriter& writer() { return writer_; }

 private:
  bool object(v8::Local<v8::Object> object, v8::Local<v8::Value> receiver, uint32_t depth);
  bool container(v8::Local<v8::Object> object, uint32_t depth);
  bool plain(v8::Local<v8::Object> object, uint32_t depth);
  bool items(v8::Local<v8::Array> items, v8::Local<v8::Value> receiver, uint32_t count, uint32_t depth);
  bool bytes(v8::Local<v8::Object> object);
  bool stream(v8::Local<v8::Object> object);
  bool bigint(v8::Local<v8::BigInt> number);
  bool text(v8::Local<v8::String> text);
  void key(v8::Local<v8::String> key);
  void error(v8::Local<v8::Object> error, uint32_t depth);
  std::vector<std::pair<v8::Local<v8::String>, v8::Local<v8::Value>>> plain_properties(v8::Local<v8::Object> error);
  bool is_known(v8::Local<v8::Object> object);
  bool unfit(std::string problem);
  bool room(size_t count);
  v8::Local<v8::Value> own(v8::Local<v8::Object> object, const char* name);

  Runtime* runtime_;
  v8::Isolate* isolate_;
  v8::Local<v8::Context> context_;
  TapeWriter writer_;
  std::string problem_;
  std::unordered_multimap<int, std::pair<v8::Local<v8::Object>, uint64_t>> objects_;
  uint64_t next_object_ = 0;
  std::unordered_multimap<int, std::pair<v8::Local<v8::String>, uint64_t>> keys_;
  uint64_t next_key_ = 1;
};

// Writes a result to `out` and gives its status. What is pending is caught.
int give(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::Value> value, AmphisBytes* out);

// Writes what `block` has caught.
int give_thrown(Runtime* runtime, v8::Local<v8::Context> context, const v8::TryCatch& block, AmphisBytes* out);
int give_thrown(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::Value> thrown, AmphisBytes* out);

}  // namespace amphis

// The tape that both languages read: its tags, and how its parts are written. src/values/mod.rs says what it is.
#pragma once

#include <v8.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "abi.h"

namespace amphis {

enum Tag : uint8_t {
  kNull = 0,
  kUndefined = 1,
  kFalse = 2,
  kTrue = 3,
  kInt = 4,
  kFloat = 5,
  kBigInt = 6,
  kLatin1 = 7,
  kUtf16 = 8,
  kBytes = 9,
  kBuffer = 10,
  kTyped = 11,
  kArray = 12,
  kObject = 13,
  kMap = 14,
  kSet = 15,
  kDate = 16,
  kRef = 17,
  kJavaScript = 18,
  kPython = 19,
  kError = 20,
  kNdArray = 21,
};

// The largest integer whose neighbours a number can tell from it.
constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;

// Bytes that are freed with it.
struct OwnBytes : AmphisBytes {
  OwnBytes() : AmphisBytes{nullptr, 0, 0} {}
  ~OwnBytes() { std::free(data); }
  OwnBytes(const OwnBytes&) = delete;
  OwnBytes& operator=(const OwnBytes&) = delete;

  AmphisSpan span() const { return AmphisSpan{data, length}; }
};

// Appends to bytes.
class TapeWriter {
 public:
  explicit TapeWriter(AmphisBytes* bytes) : bytes_(bytes) {}

  size_t length() const { return bytes_->length; }
  void clear() { bytes_->length = 0; }

  void byte(uint8_t value) { *room(1) = value, bytes_->length++; }
  void varint(uint64_t value);
  void raw(const void* data, size_t length);
  void number(double value);
  // A name of ASCII.
  void name(std::string_view text);
  void name(v8::Isolate* isolate, v8::Local<v8::String> text);
  void string(v8::Isolate* isolate, v8::Local<v8::String> text);
  // The value of a string of ASCII.
  void string(std::string_view text);

 private:
  // Where so many bytes can be written; the length is the caller's to raise.
  uint8_t* room(size_t count);
  void units(v8::Isolate* isolate, v8::Local<v8::String> text, bool is_latin1);

  AmphisBytes* bytes_;
};

}  // namespace amphis

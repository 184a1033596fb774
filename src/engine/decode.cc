#include "decode.h"

#include <cstring>

#include "callback.h"
#include "stream.h"

namespace amphis {

Decoder::Decoder(Runtime* runtime, v8::Local<v8::Context> context, AmphisSpan tape)
    : runtime_(runtime), isolate_(runtime->isolate), context_(context), at_(tape.data), end_(tape.data + tape.length) {}

v8::MaybeLocal<v8::Value> Decoder::fail(const char* message) {
  isolate_->ThrowException(v8::Exception::TypeError(v8::String::NewFromUtf8(isolate_, message).ToLocalChecked()));
  return {};
}

// What is not there reads as zeros: the addon has written it, and looks after itself.
uint8_t Decoder::byte() { return at_ < end_ ? *at_++ : 0; }

uint64_t Decoder::varint() {
  uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    uint8_t next = byte();
    value |= uint64_t{next & 0x7fu} << shift;
    if (next < 0x80) break;
  }
  return value;
}

const uint8_t* Decoder::take(size_t count) {
  if (count > static_cast<size_t>(end_ - at_)) return nullptr;
  const uint8_t* taken = at_;
  at_ += count;
  return taken;
}

double Decoder::number() {
  double value = 0;
  if (const uint8_t* taken = take(sizeof value)) std::memcpy(&value, taken, sizeof value);
  return value;
}

size_t Decoder::reserve() {
  objects_.emplace_back();
  return objects_.size() - 1;
}

namespace {

v8::MaybeLocal<v8::String> from_units(v8::Isolate* isolate, const uint8_t* data, size_t count, bool is_utf16,
                                      v8::NewStringType type) {
  if (data == nullptr || count > static_cast<size_t>(v8::String::kMaxLength)) {
    isolate->ThrowException(
        v8::Exception::RangeError(v8::String::NewFromUtf8Literal(isolate, "Invalid string length")));
    return {};
  }
  auto length = static_cast<int>(count);
  if (!is_utf16) return v8::String::NewFromOneByte(isolate, data, type, length);
  std::vector<uint16_t> units(count);
  std::memcpy(units.data(), data, 2 * count);
  return v8::String::NewFromTwoByte(isolate, units.data(), type, length);
}

}  // namespace

v8::MaybeLocal<v8::String> Decoder::name() {
  uint64_t head = varint();
  bool is_utf16 = (head & 1) != 0;
  size_t count = head >> 1;
  return from_units(isolate_, take(is_utf16 ? 2 * count : count), count, is_utf16, v8::NewStringType::kInternalized);
}

v8::MaybeLocal<v8::String> Decoder::key() {
  uint64_t number = varint();
  if (number > 0) {
    if (number > keys_.size()) return {};
    return keys_[number - 1];
  }
  v8::Local<v8::String> named;
  if (!name().ToLocal(&named)) return {};
  keys_.push_back(named);
  return named;
}

v8::MaybeLocal<v8::Value> Decoder::value() {
  uint8_t tag = byte();
  switch (tag) {
    case kNull:
      return v8::Null(isolate_);
    case kUndefined:
      return v8::Undefined(isolate_);
    case kFalse:
      return v8::False(isolate_);
    case kTrue:
      return v8::True(isolate_);
    case kInt: {
      uint64_t bits = varint();
      auto whole = static_cast<int64_t>((bits >> 1) ^ (0 - (bits & 1)));
      if (whole >= INT32_MIN && whole <= INT32_MAX) return v8::Integer::New(isolate_, static_cast<int32_t>(whole));
      return v8::Number::New(isolate_, static_cast<double>(whole));
    }
    case kFloat:
      return v8::Number::New(isolate_, number());
    case kBigInt:
      return bigint();
    case kLatin1:
    case kUtf16: {
      bool is_utf16 = tag == kUtf16;
      size_t count = varint();
      v8::Local<v8::String> text;
      if (!from_units(isolate_, take(is_utf16 ? 2 * count : count), count, is_utf16, v8::NewStringType::kNormal)
               .ToLocal(&text)) {
        return {};
      }
      return text;
    }
    case kBytes:
    case kTyped:
      return elements(tag);
    case kArray:
      return array();
    case kObject:
      return object();
    case kMap:
      return map();
    case kSet:
      return set();
    case kDate: {
      size_t place = reserve();
      v8::Local<v8::Value> date;
      if (!v8::Date::New(context_, number()).ToLocal(&date)) return {};
      return objects_[place] = date;
    }
    case kRef: {
      uint64_t number = varint();
      if (number >= objects_.size() || objects_[number].IsEmpty()) return fail("A reference to nothing");
      return objects_[number];
    }
    case kJavaScript:
    case kPython:
      return handle(tag);
    case kError:
      return error();
    case kNdArray:
      return fail("A runtime has no arrays of several dimensions: pass .tolist(), or .ravel() and the shape");
    default:
      return fail("A tag that is none");
  }
}

v8::MaybeLocal<v8::Value> Decoder::bigint() {
  int sign = byte();
  size_t length = varint();
  const uint8_t* data = take(length);
  if (data == nullptr && length > 0) return fail("A number that ends too early");
  std::vector<uint64_t> words((length + 7) / 8);
  if (length > 0) std::memcpy(words.data(), data, length);
  v8::Local<v8::BigInt> number;
  if (!v8::BigInt::NewFromWords(context_, sign, static_cast<int>(words.size()), words.data()).ToLocal(&number))
    return {};
  return number;
}

// By hand: where V8's own functions get no memory, they end the process.
std::unique_ptr<v8::BackingStore> Decoder::allocate(size_t length) {
  v8::ArrayBuffer::Allocator* allocator = &runtime_->allocator;
  void* data = allocator->AllocateUninitialized(length);
  if (data == nullptr) {
    isolate_->LowMemoryNotification();
    data = allocator->AllocateUninitialized(length);
  }
  if (data == nullptr) return nullptr;
  auto release = [](void* data, size_t length, void* allocator) {
    static_cast<v8::ArrayBuffer::Allocator*>(allocator)->Free(data, length);
  };
  return v8::ArrayBuffer::NewBackingStore(data, length, release, allocator);
}

v8::MaybeLocal<v8::Value> Decoder::elements(uint8_t tag) {
  uint8_t dtype = tag == kTyped ? byte() : uint8_t{0};
  size_t length = varint();
  const uint8_t* data = take(length);
  if (data == nullptr && length > 0) return fail("Elements that end too early");
  std::unique_ptr<v8::BackingStore> store = allocate(length);
  if (store == nullptr) return fail("Array buffer allocation failed");
  if (length > 0) std::memcpy(store->Data(), data, length);
  v8::Local<v8::ArrayBuffer> buffer = v8::ArrayBuffer::New(isolate_, std::move(store));
  v8::Local<v8::Value> made;
  switch (dtype) {
    case 0:
    case 12:
      made = v8::Uint8Array::New(buffer, 0, length);
      break;
    case 1:
      made = v8::Int8Array::New(buffer, 0, length);
      break;
    case 2:
      made = v8::Uint8ClampedArray::New(buffer, 0, length);
      break;
    case 3:
      made = v8::Uint16Array::New(buffer, 0, length / 2);
      break;
    case 4:
      made = v8::Int16Array::New(buffer, 0, length / 2);
      break;
    case 5:
      made = v8::Uint32Array::New(buffer, 0, length / 4);
      break;
    case 6:
      made = v8::Int32Array::New(buffer, 0, length / 4);
      break;
    case 7:
      made = v8::BigUint64Array::New(buffer, 0, length / 8);
      break;
    case 8:
      made = v8::BigInt64Array::New(buffer, 0, length / 8);
      break;
    case 9:
      made = v8::Float32Array::New(buffer, 0, length / 4);
      break;
    case 10:
      made = v8::Float64Array::New(buffer, 0, length / 8);
      break;
#if V8_MAJOR_VERSION >= 13
    case 11:
      made = v8::Float16Array::New(buffer, 0, length / 2);
      break;
#endif
    default:
      return fail("This Node.js has no Float16Array: pass float32");
  }
  // Empty bytes get no number.
  if (tag != kBytes || length > 0) objects_.push_back(made);
  return made;
}

v8::MaybeLocal<v8::Value> Decoder::array() {
  size_t count = varint();
  if (count > static_cast<size_t>(end_ - at_)) return fail("Items that are not there");
  size_t place = reserve();
  v8::Local<v8::Array> array = v8::Array::New(isolate_, static_cast<int>(count));
  objects_[place] = array;
  for (size_t index = 0; index < count; index++) {
    v8::Local<v8::Value> item;
    if (!value().ToLocal(&item) ||
        array->CreateDataProperty(context_, static_cast<uint32_t>(index), item).IsNothing()) {
      return {};
    }
  }
  return array;
}

v8::MaybeLocal<v8::Value> Decoder::object() {
  uint64_t count = varint();
  v8::Local<v8::Object> object = v8::Object::New(isolate_);
  objects_.push_back(object);
  for (uint64_t index = 0; index < count; index++) {
    v8::Local<v8::String> name;
    v8::Local<v8::Value> item;
    if (!key().ToLocal(&name) || !value().ToLocal(&item) ||
        object->CreateDataProperty(context_, name, item).IsNothing()) {
      return {};
    }
  }
  return object;
}

v8::MaybeLocal<v8::Value> Decoder::map() {
  uint64_t count = varint();
  v8::Local<v8::Map> map = v8::Map::New(isolate_);
  objects_.push_back(map);
  for (uint64_t index = 0; index < count; index++) {
    v8::Local<v8::Value> name;
    v8::Local<v8::Value> item;
    if (!value().ToLocal(&name) || !value().ToLocal(&item) || map->Set(context_, name, item).IsEmpty()) return {};
  }
  return map;
}

v8::MaybeLocal<v8::Value> Decoder::set() {
  uint64_t count = varint();
  v8::Local<v8::Set> set = v8::Set::New(isolate_);
  objects_.push_back(set);
  for (uint64_t index = 0; index < count; index++) {
    v8::Local<v8::Value> member;
    if (!value().ToLocal(&member) || set->Add(context_, member).IsEmpty()) return {};
  }
  return set;
}

v8::MaybeLocal<v8::Value> Decoder::handle(uint8_t tag) {
  uint8_t kind = byte();
  auto id = static_cast<uint32_t>(varint());
  v8::Local<v8::String> named;
  if (!name().ToLocal(&named)) return {};
  if (tag == kPython && kind != 0) return adopt_stream(runtime_, context_, kind, id);
  if (tag == kPython) return host_function(runtime_, context_, id, named).FromMaybe(v8::Local<v8::Value>());
  auto found = runtime_->functions.find(id);
  if (found == runtime_->functions.end()) return fail("The function has been closed");
  return found->second.function.Get(isolate_);
}

v8::MaybeLocal<v8::Value> Decoder::error() {
  // No exception of Python's is home here as what it is.
  if (uint8_t tag = byte(); tag != kNull) {
    byte();
    varint();
    v8::Local<v8::String> ignored;
    if (!name().ToLocal(&ignored)) return {};
  }
  byte();
  v8::Local<v8::Value> fields;
  if (!object().ToLocal(&fields)) return {};
  auto field = [&](const char* name) {
    v8::Local<v8::Value> found;
    auto text = v8::String::NewFromUtf8(isolate_, name).ToLocalChecked();
    // An object of ours, whose own properties are data.
    if (fields.As<v8::Object>()->GetRealNamedProperty(context_, text).ToLocal(&found) && found->IsString()) {
      return found.As<v8::String>();
    }
    return v8::String::Empty(isolate_);
  };
  return python_error(runtime_, context_, field("name"), field("message"));
}

}  // namespace amphis

#include "top_level_await.h"

#include <string>
#include <string_view>

#include "version.h"

namespace amphis {

namespace {

// In how many places the last expression is looked for.
constexpr int kMostPlaces = 64;
// What goes on with the expression of the line above.
constexpr std::u16string_view kContinues = u"+-*/%.,?:=&|^<>([`)]};";

bool is_space(char16_t unit) { return unit == u' ' || unit == u'\t' || unit == u'\n' || unit == u'\r'; }

std::u16string units_of(v8::Isolate* isolate, v8::Local<v8::String> text) {
  std::u16string units(static_cast<size_t>(text->Length()), u'\0');
  if (!units.empty()) write_utf16(isolate, text, reinterpret_cast<uint16_t*>(units.data()));
  return units;
}

v8::MaybeLocal<v8::Script> compile_units(v8::Local<v8::Context> context, const std::u16string& units,
                                         v8::Local<v8::String> name) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::TryCatch block(isolate);
  v8::Local<v8::String> text;
  v8::Local<v8::Script> script;
  if (!v8::String::NewFromTwoByte(isolate, reinterpret_cast<const uint16_t*>(units.data()), v8::NewStringType::kNormal,
                                  static_cast<int>(units.size()))
           .ToLocal(&text)) {
    return {};
  }
  v8::ScriptCompiler::Source unit(text, script_origin(isolate, name));
  if (!v8::ScriptCompiler::Compile(context, &unit).ToLocal(&script)) return {};
  return script;
}

// Whether a statement may end here, and an expression begin behind it.
bool may_split(std::u16string_view code, size_t place) {
  // A block ends at its brace: `for (…) {…} result`.
  bool is_end = code[place] == u';' || code[place] == u'}';
  if (!is_end && code[place] != u'\n') return false;
  size_t line = code.rfind(u'\n', place == 0 ? 0 : place - 1);
  size_t begin = line == std::u16string_view::npos ? 0 : line + 1;
  if (is_end && begin < place && code.substr(begin, place - begin).find(u"//") != std::u16string_view::npos) {
    return false;
  }
  size_t next = place + 1;
  while (next < code.size() && is_space(code[next])) next++;
  if (next == code.size()) return false;
  return code[place] == u';' || kContinues.find(code[next]) == std::u16string_view::npos;
}

}  // namespace

v8::MaybeLocal<v8::Script> compile_awaiting(v8::Local<v8::Context> context, v8::Local<v8::String> source,
                                            v8::Local<v8::String> name) {
  std::u16string all = units_of(v8::Isolate::GetCurrent(), source);
  std::u16string_view code(all);
  if (code.find(u"await") == std::u16string_view::npos) return {};
  while (!code.empty() && (is_space(code.back()) || code.back() == u';')) code.remove_suffix(1);
  auto compile = [&](std::u16string_view before, std::u16string_view last) {
    std::u16string text(u"(async () => {");
    text.append(before);
    if (!last.empty()) text.append(u"\nreturn (").append(last).append(u"\n)");
    return compile_units(context, text.append(u"\n})()"), name);
  };
  v8::Local<v8::Script> script;
  if (compile({}, code).ToLocal(&script)) return script;
  int places = 0;
  for (size_t place = code.size(); place-- > 0 && places < kMostPlaces;) {
    if (!may_split(code, place)) continue;
    places++;
    if (compile(code.substr(0, place + 1), code.substr(place + 1)).ToLocal(&script)) return script;
  }
  return compile(code, {});
}

}  // namespace amphis

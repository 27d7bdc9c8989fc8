/// `text` broken between words into lines of at most `width` characters.
///
/// A longer word is broken behind the last of its marks that still fits (`/`, `@`, `-`, `.`); without one it
/// stays whole. A number keeps its per cent. Linear in the text.
package func wrapped(_ text: String, width: Int) -> [String] {
  var lines: [String] = []
  var line = ""
  for word in words(of: text) {
    for (index, part) in parts(of: word, width: width).enumerated() {
      let gap = index == 0 ? " " : ""
      if !line.isEmpty, line.count + gap.count + part.count > width {
        lines.append(line)
        line = ""
      }
      line += (line.isEmpty ? "" : gap) + part
    }
  }
  return line.isEmpty ? lines : lines + [line]
}

/// Words as they stay together: `8.5 %` is one.
private func words(of text: String) -> [Substring] {
  var words: [Substring] = []
  for word in text.split(separator: " ") {
    if word.first == "%", let last = words.last?.last, last.isNumber,
      let number = words.popLast()
    {
      words.append(number + " " + word)
    } else {
      words.append(word)
    }
  }
  return words
}

private func parts(of word: Substring, width: Int) -> [Substring] {
  var parts: [Substring] = []
  var rest = word
  while rest.count > width,
    let mark = rest.prefix(width).lastIndex(where: { "/@-.".contains($0) })
  {
    parts.append(rest[...mark])
    rest = rest[rest.index(after: mark)...]
  }
  return parts + (rest.isEmpty ? [] : [rest])
}

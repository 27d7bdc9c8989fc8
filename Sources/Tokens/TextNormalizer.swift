import Foundation

/// What a tokenizer does to a text before it is cut: steps that follow one another.
struct TextNormalizer: Hashable, Sendable {
  enum Step: Hashable, Sendable {
    /// Unicode's forms NFC, NFD, NFKC and NFKD.
    case composed, decomposed, compatible, compatibleDecomposed
    /// A text that is put in front of one that is not empty.
    case prepend([UInt8])
    /// Every occurrence of one text becomes another.
    case replace([UInt8], by: [UInt8])
    /// Every match of a pattern becomes a text.
    case replaceMatches(PreTokenizer.Cut, by: String)
  }

  var steps: [Step] = []

  var isNothing: Bool { steps.isEmpty }

  /// What stands for a space behind normalisation, such as U+2581; nil where a space stays one.
  var marker: [UInt8]? {
    for case .replace([UInt8(ascii: " ")], let marker) in steps { return marker }
    return nil
  }

  func normalize(_ text: ArraySlice<UInt8>) -> [UInt8] {
    steps.reduce(Array(text)) { text, step in
      step.applied(to: text)
    }
  }
}

extension TextNormalizer.Step {
  fileprivate func applied(to text: [UInt8]) -> [UInt8] {
    switch self {
    case .prepend(let prefix): return text.isEmpty ? text : prefix + text
    case .replace(let found, let other): return text.replacing(found, by: other)
    default: break
    }
    let string = String(decoding: text, as: UTF8.self)
    let changed =
      switch self {
      case .composed: string.precomposedStringWithCanonicalMapping
      case .decomposed: string.decomposedStringWithCanonicalMapping
      case .compatible: string.precomposedStringWithCompatibilityMapping
      case .compatibleDecomposed: string.decomposedStringWithCompatibilityMapping
      case .replaceMatches(let pattern, let other):
        pattern.expression.stringByReplacingMatches(
          in: string, range: NSRange(location: 0, length: string.utf16.count),
          withTemplate: NSRegularExpression.escapedTemplate(for: other))
      case .prepend, .replace: string
      }
    return Array(changed.utf8)
  }
}

extension [UInt8] {
  /// The bytes with every occurrence of `found` replaced, from the front on.
  ///
  /// By bytes and not by characters: a space with an accent behind it is a character of its own.
  func replacing(_ found: [UInt8], by other: [UInt8]) -> [UInt8] {
    guard let first = found.first else { return self }
    var result: [UInt8] = []
    result.reserveCapacity(count)
    var index = 0
    while index < count {
      if self[index] == first, self[index...].starts(with: found) {
        result += other
        index += found.count
      } else {
        result.append(self[index])
        index += 1
      }
    }
    return result
  }
}

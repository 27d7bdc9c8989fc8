import Foundation

/// Cuts text into words, within which byte pairs are merged.
struct PreTokenizer: Sendable {
  /// One thing done after the other, each to every piece that is there.
  enum Step: Hashable, Sendable {
    case cut(Cut)
    case spaces(Metaspace)
  }

  let steps: [Step]
  /// Whether a space is put in front of a text that does not begin with one.
  let addsSpace: Bool
  /// Where nothing cuts: what stands for a space and begins a word that no token reaches across.
  var marker: [UInt8]? = nil

  /// A cut: every match of a pattern becomes a piece of its own, as does what lies between.
  struct Cut: Hashable, Sendable, CustomStringConvertible {
    let expression: NSRegularExpression
    let pattern: String

    /// A pattern in the syntax of Oniguruma, as far as it is ICU's too; nil if it is neither.
    init?(pattern: String) {
      // ICU's \s leaves out the vertical tab and the next-line character.
      var adapted = ""
      var isEscaped = false
      for scalar in pattern.unicodeScalars {
        if isEscaped {
          switch scalar {
          case "s": adapted += "\\p{White_Space}"
          case "S": adapted += "\\P{White_Space}"
          default: adapted += "\\\(scalar)"
          }
          isEscaped = false
        } else if scalar == "\\" {
          isEscaped = true
        } else {
          adapted.unicodeScalars.append(scalar)
        }
      }
      guard !isEscaped, let expression = try? NSRegularExpression(pattern: adapted) else {
        return nil
      }
      self.expression = expression
      self.pattern = pattern
    }

    var description: String { pattern }
  }

  /// The pattern that `ByteLevel` cuts by unless told otherwise, which is GPT-2's.
  static let byteLevelPattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Whether marks for spaces are put in here.
  var marksSpaces: Bool { steps.contains { if case .spaces = $0 { true } else { false } } }

  /// The words of a piece of text as bytes, in order; together they are the piece, with marks for its
  /// spaces where there are such.
  ///
  /// - Parameter isFirst: the piece begins the whole text.
  func words(of text: String, isFirst: Bool) -> [[UInt8]] {
    guard !text.isEmpty else { return [] }
    if steps.isEmpty, let marker { return Self.words(of: Array(text.utf8), before: marker) }
    if marksSpaces { return spacedWords(of: Array(text.utf8), isFirst: isFirst) }
    let text = addsSpace && text.unicodeScalars.first != " " ? " " + text : text
    let units = Array(text.utf16)
    var pieces = [0..<units.count]
    for case .cut(let cut) in steps {
      pieces = pieces.flatMap { Self.pieces(of: $0, in: units, by: cut.expression) }
    }
    return pieces.map { Array(String(decoding: units[$0], as: UTF16.self).utf8) }
  }

  private func spacedWords(of text: [UInt8], isFirst: Bool) -> [[UInt8]] {
    var pieces = [(text: text, isFirst: isFirst)]
    for step in steps {
      pieces = pieces.flatMap { piece -> [(text: [UInt8], isFirst: Bool)] in
        let parts =
          switch step {
          case .cut(let cut): Self.parts(of: piece.text, by: cut)
          case .spaces(let spaces): spaces.words(of: piece.text, isFirst: piece.isFirst)
          }
        return parts.enumerated().map { ($1, piece.isFirst && $0 == 0) }
      }
    }
    guard let marker else { return pieces.map(\.text) }
    return pieces.flatMap { Self.words(of: $0.text, before: marker) }
  }

  private static func parts(of text: [UInt8], by cut: Cut) -> [[UInt8]] {
    let units = Array(String(decoding: text, as: UTF8.self).utf16)
    return pieces(of: 0..<units.count, in: units, by: cut.expression).map {
      Array(String(decoding: units[$0], as: UTF16.self).utf8)
    }
  }

  /// What decides about the words, for a fingerprint.
  var description: String {
    let parts = steps.map { step in
      switch step {
      case .cut(let cut): cut.pattern
      case .spaces(let spaces): "\(spaces)"
      }
    }
    return "\(parts) \(addsSpace)"
  }

  /// The same, cut in front of every run of markers, where no token of `vocabulary` lies across such a
  /// place: then merges do not either, and long texts need not be looked at as one word.
  func cutting(at marker: [UInt8]?, of vocabulary: [[UInt8]: Int]) -> PreTokenizer {
    var marker = marker
    switch steps.last {
    case nil: break
    case .spaces(let spaces) where !spaces.splits: marker = spaces.mark
    default: return self
    }
    guard let marker, vocabulary[marker] != nil,
      vocabulary.keys.allSatisfy({ Self.words(of: $0, before: marker).count < 2 })
    else { return self }
    var result = self
    result.marker = marker
    return result
  }

  private static func words(of text: [UInt8], before marker: [UInt8]) -> [[UInt8]] {
    var words: [[UInt8]] = []
    var start = 0
    var index = 0
    var isBehindMarker = false
    while index < text.count {
      let isMarker = text[index] == marker[0] && text[index...].starts(with: marker)
      if isMarker, !isBehindMarker, index > start {
        words.append(Array(text[start..<index]))
        start = index
      }
      isBehindMarker = isMarker
      index += isMarker ? marker.count : 1
    }
    words.append(Array(text[start...]))
    return words
  }

  /// What a cut makes of one piece, which the expression sees as a whole text.
  private static func pieces(
    of range: Range<Int>, in units: [UInt16], by expression: NSRegularExpression
  ) -> [Range<Int>] {
    let text = String(decoding: units[range], as: UTF16.self)
    let whole = NSRange(location: 0, length: range.count)
    var result: [Range<Int>] = []
    var end = range.lowerBound
    for match in expression.matches(in: text, range: whole) where match.range.length > 0 {
      let start = range.lowerBound + match.range.location
      if end < start { result.append(end..<start) }
      end = start + match.range.length
      result.append(start..<end)
    }
    if end < range.upperBound { result.append(end..<range.upperBound) }
    return result
  }
}

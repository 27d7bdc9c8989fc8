import Foundation

/// Cuts text into words, within which byte pairs are merged.
struct PreTokenizer: Sendable {
  /// One cut after the other, each made in every piece that is there.
  let cuts: [Cut]
  /// Whether a space is put in front of a text that does not begin with one.
  let addsSpace: Bool
  /// Where there are no cuts: what stands for a space and begins a word that no token reaches across.
  var marker: [UInt8]? = nil

  /// A cut: every match of a pattern becomes a piece of its own, as does what lies between.
  struct Cut: Sendable {
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
  }

  /// The pattern that `ByteLevel` cuts by unless told otherwise, which is GPT-2's.
  static let byteLevelPattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// The words of a text as bytes, in order; together they are the text.
  func words(of text: String) -> [[UInt8]] {
    guard !text.isEmpty else { return [] }
    if cuts.isEmpty, let marker { return Self.words(of: Array(text.utf8), before: marker) }
    let text = addsSpace && text.unicodeScalars.first != " " ? " " + text : text
    let units = Array(text.utf16)
    var pieces = [0..<units.count]
    for cut in cuts {
      pieces = pieces.flatMap { Self.pieces(of: $0, in: units, by: cut.expression) }
    }
    return pieces.map { Array(String(decoding: units[$0], as: UTF16.self).utf8) }
  }

  /// What decides about the words, for a fingerprint.
  var description: String { "\(cuts.map(\.pattern)) \(addsSpace)" }

  /// The same, cut in front of every run of markers, where no token of `vocabulary` lies across such a
  /// place: then merges do not either, and long texts need not be looked at as one word.
  func cutting(at marker: [UInt8]?, of vocabulary: [[UInt8]: Int]) -> PreTokenizer {
    guard cuts.isEmpty, let marker, vocabulary[marker] != nil,
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

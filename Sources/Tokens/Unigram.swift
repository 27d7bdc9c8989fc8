import Documents

/// A vocabulary with scores: a word becomes the tokens whose scores have the largest sum (Kudo, arXiv
/// 1804.10959), as SentencePiece's unigram model and the package tokenizers choose them.
struct Unigram: Sendable {
  /// Logarithms of probabilities, by token number.
  let scores: [Double]
  /// The token of characters that no token begins with.
  let unknown: Int?
  /// The score of such a character: this much below the least.
  private static let penalty = 10.0
  private let unknownScore: Double
  /// The tokens as a tree of bytes: from node and byte to the next node.
  private let next: [Int: Int]
  /// The token that ends at a node, −1 for none.
  private let tokenAtNode: [Int]

  /// - Parameter tokens: by number, each with its score; of two alike the later one counts.
  init(_ tokens: [(bytes: [UInt8], score: Double)], unknown: Int?) {
    scores = tokens.map(\.score)
    self.unknown = unknown
    unknownScore = (scores.min() ?? 0) - Self.penalty
    var next: [Int: Int] = [:]
    var tokenAtNode = [-1]
    for (number, token) in tokens.enumerated() where !token.bytes.isEmpty {
      var node = 0
      for byte in token.bytes {
        let key = node << 8 | Int(byte)
        if let known = next[key] {
          node = known
        } else {
          tokenAtNode.append(-1)
          next[key] = tokenAtNode.count - 1
          node = tokenAtNode.count - 1
        }
      }
      tokenAtNode[node] = number
    }
    self.next = next
    self.tokenAtNode = tokenAtNode
  }

  /// How a text up to some byte is best cut: the last piece begins at `start`.
  private struct Cut {
    var score = 0.0
    var start = -1
    var token = 0
  }

  /// The best pieces of a word, unknown characters in a row joined to one.
  ///
  /// O(n · longest token). Of equal sums the one that was found first stays: shorter tokens first.
  ///
  /// - Parameter word: UTF-8.
  /// - Throws: `ConfigurationError` for a character that begins no token, where none is unknown.
  func pieces(of word: [UInt8]) throws(ConfigurationError) -> [ArraySlice<UInt8>] {
    var cuts = [Cut](repeating: Cut(), count: word.count + 1)
    var start = 0
    while start < word.count {
      let length = Self.characterLength(word[start])
      let before = cuts[start].score
      var isCharacterKnown = false
      func offer(_ token: Int, until end: Int, _ score: Double) {
        guard cuts[end].start < 0 || score > cuts[end].score else { return }
        cuts[end] = Cut(score: score, start: start, token: token)
      }
      var (node, end) = (0, start)
      while end < word.count, let child = next[node << 8 | Int(word[end])] {
        (node, end) = (child, end + 1)
        let token = tokenAtNode[node]
        guard token >= 0 else { continue }
        offer(token, until: end, before + scores[token])
        if end == start + length { isCharacterKnown = true }
      }
      if !isCharacterKnown {
        guard let unknown else {
          let character = String(decoding: word[start..<start + length], as: UTF8.self)
          throw TokenAlphabet.missing("character \(character.debugDescription)")
        }
        offer(unknown, until: start + length, before + unknownScore)
      }
      start += length
    }
    return joined(cuts, word)
  }

  private func joined(_ cuts: [Cut], _ word: [UInt8]) -> [ArraySlice<UInt8>] {
    var pieces: [ArraySlice<UInt8>] = []
    var end = word.count
    var isBehindUnknown = false
    while end > 0 {
      let cut = cuts[end]
      let isUnknown = cut.token == unknown
      if isUnknown, isBehindUnknown, let last = pieces.popLast() {
        pieces.append(word[cut.start..<last.endIndex])
      } else {
        pieces.append(word[cut.start..<end])
      }
      isBehindUnknown = isUnknown
      end = cut.start
    }
    return pieces.reversed()
  }

  /// Bytes of the character that a byte of UTF-8 begins.
  private static func characterLength(_ first: UInt8) -> Int {
    first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
  }
}

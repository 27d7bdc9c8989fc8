import Documents
import Foundation

/// Byte-level byte-pair encoding as a Hugging Face `tokenizer.json` describes it.
///
/// Read are: no normalisation or NFC; pre-tokenisation by `ByteLevel`, `Split` (isolated matches),
/// `Digits` and sequences of them; a `BPE` model; added tokens. What else a file asks for is refused
/// by name. Tokens that a post-processor would add around a text are not.
public struct BytePairTokenizer: Sendable {
  /// A token that is recognised in the text before anything else.
  struct Added: Hashable, Sendable {
    var content: [UInt8]
    var number: Int
  }

  /// One more than the largest token number.
  public let vocabularySize: Int
  let preTokenizer: PreTokenizer
  let normalizes: Bool
  let ignoresMerges: Bool
  /// The longest first, so that a token wins over one that it begins with.
  let added: [Added]
  let pairs: BytePairs
  private let numberOfToken: [[UInt8]: Int]
  private let bytesOfNumber: [[UInt8]?]

  /// Reads a `tokenizer.json`.
  public init(path: String) throws(ConfigurationError) {
    let value: JSONValue
    do throws(CheckpointError) {
      let bytes = try InputFile(path: path).allBytes(limit: 1 << 28)
      value = try JSONValue(bytes, of: path)
    } catch {
      throw ConfigurationError(file: path, rule: error.rule)
    }
    let reading = TokenizerReading(path: path, value: value)
    normalizes = try reading.normalizes()
    preTokenizer = try reading.preTokenizer()
    ignoresMerges = try reading.checkModel()
    let vocabulary = try reading.vocabulary()
    added = try reading.added()
    numberOfToken = vocabulary
    pairs = BytePairs(merges: try reading.merges(vocabulary))
    let largest = max(vocabulary.values.max() ?? 0, added.map(\.number).max() ?? 0)
    var bytes = [[UInt8]?](repeating: nil, count: largest + 1)
    for (token, number) in vocabulary { bytes[number] = token }
    for token in added { bytes[token.number] = token.content }
    bytesOfNumber = bytes
    vocabularySize = largest + 1
  }

  /// The bytes that a token stands for; none for a number that is not a token's.
  public func bytes(of token: Int) -> [UInt8] {
    bytesOfNumber.indices.contains(token) ? bytesOfNumber[token] ?? [] : []
  }

  /// The token that ends a text, by the names that GPT-2, Llama 3 and DeepSeek have for it.
  public var endOfText: Int? {
    for name in ["<|endoftext|>", "<|end_of_text|>", "<｜end▁of▁sentence｜>", "</s>"] {
      if let token = added.first(where: { $0.content == Array(name.utf8) }) { return token.number }
    }
    return nil
  }

  /// The tokens of a text, added tokens in it included.
  ///
  /// - Throws: `ConfigurationError` for a byte that the vocabulary has no token for.
  public func encode(_ text: String) throws(ConfigurationError) -> [Int] {
    var tokens: [Int] = []
    var known: [[UInt8]: [Int]] = [:]
    for piece in piecesAroundAdded(Array(text.utf8)) {
      switch piece {
      case .added(let number): tokens.append(number)
      case .text(let bytes):
        let text = String(decoding: bytes, as: UTF8.self)
        let ready = normalizes ? text.precomposedStringWithCanonicalMapping : text
        for word in preTokenizer.words(of: ready) {
          if let found = known[word] {
            tokens += found
          } else {
            let found = try encode(word: word)
            // Texts repeat few words often; the bound keeps memory within some 100 MB.
            if known.count < 1 << 18, word.count < 64 { known[word] = found }
            tokens += found
          }
        }
      }
    }
    return tokens
  }

  private func encode(word: [UInt8]) throws(ConfigurationError) -> [Int] {
    if ignoresMerges, let whole = numberOfToken[word] { return [whole] }
    var symbols: [Int] = []
    symbols.reserveCapacity(word.count)
    for byte in word {
      guard let number = numberOfToken[[byte]] else {
        throw ConfigurationError(
          file: "tokenizer", rule: "has no token for the byte \(byte), which the text holds")
      }
      symbols.append(number)
    }
    return pairs.merge(symbols)
  }

  private enum Piece {
    case text(ArraySlice<UInt8>)
    case added(Int)
  }

  /// Cuts a text at the added tokens that it holds.
  private func piecesAroundAdded(_ text: [UInt8]) -> [Piece] {
    guard !added.isEmpty else { return [.text(text[...])] }
    var byFirst: [[Added]] = Array(repeating: [], count: 256)
    for token in added { byFirst[Int(token.content[0])].append(token) }
    var pieces: [Piece] = []
    var start = 0
    var position = 0
    while position < text.count {
      let candidates = byFirst[Int(text[position])]
      let rest = text[position...]
      guard let found = candidates.first(where: { rest.starts(with: $0.content) }) else {
        position += 1
        continue
      }
      if start < position { pieces.append(.text(text[start..<position])) }
      pieces.append(.added(found.number))
      position += found.content.count
      start = position
    }
    if start < text.count { pieces.append(.text(text[start...])) }
    return pieces
  }
}

/// The merges of a byte-pair encoding.
struct BytePairs: Sendable {
  /// Two neighbouring tokens.
  struct Pair: Hashable, Sendable {
    var left: Int
    var right: Int
  }

  /// What a pair becomes, and how early it does.
  struct Merge: Hashable, Sendable {
    var rank: Int
    var result: Int
  }

  private let merges: [Pair: Merge]

  init(merges: [Pair: Merge]) { self.merges = merges }

  /// Merges neighbours, the earliest merge first and from the left, until none applies.
  ///
  /// O(n log n): neighbours are linked, possible merges wait in a heap.
  func merge(_ symbols: [Int]) -> [Int] {
    guard symbols.count > 1 else { return symbols }
    var symbols = symbols
    var next = Array(1...symbols.count)
    var previous = Array(-1..<symbols.count - 1)
    var isGone = [Bool](repeating: false, count: symbols.count)
    var heap = MergeHeap()
    func candidate(at left: Int, _ right: Int) -> MergeHeap.Entry? {
      guard left >= 0, right < symbols.count,
        let merge = merges[Pair(left: symbols[left], right: symbols[right])]
      else { return nil }
      return .init(
        rank: merge.rank, place: left, left: symbols[left], right: symbols[right],
        result: merge.result)
    }
    for index in 0..<symbols.count - 1 {
      if let entry = candidate(at: index, index + 1) { heap.push(entry) }
    }
    while let entry = heap.pop() {
      let (left, right) = (entry.place, next[entry.place])
      // Either neighbour may have been merged since the entry was made.
      guard !isGone[left], right < symbols.count, symbols[left] == entry.left,
        symbols[right] == entry.right
      else { continue }
      symbols[left] = entry.result
      isGone[right] = true
      next[left] = next[right]
      if next[left] < symbols.count { previous[next[left]] = left }
      if let entry = candidate(at: previous[left], left) { heap.push(entry) }
      if let entry = candidate(at: left, next[left]) { heap.push(entry) }
    }
    return symbols.indices.filter { !isGone[$0] }.map { symbols[$0] }
  }
}

/// Possible merges, the earliest rank first and the leftmost among equals.
private struct MergeHeap {
  struct Entry {
    var rank, place, left, right, result: Int

    func precedes(_ other: Entry) -> Bool { (rank, place) < (other.rank, other.place) }
  }

  private var entries: [Entry] = []

  mutating func push(_ entry: Entry) {
    entries.append(entry)
    var child = entries.count - 1
    while child > 0, entries[child].precedes(entries[(child - 1) / 2]) {
      entries.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> Entry? {
    guard let first = entries.first else { return nil }
    let last = entries.removeLast()
    guard !entries.isEmpty else { return first }
    entries[0] = last
    var parent = 0
    while true {
      var smallest = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < entries.count && entries[child].precedes(entries[smallest]) {
        smallest = child
      }
      guard smallest != parent else { return first }
      entries.swapAt(parent, smallest)
      parent = smallest
    }
  }
}

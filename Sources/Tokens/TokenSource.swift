import Documents
import Quantities

/// Inputs and labels of some sequences: `labels[i]` is the token that follows `inputs[i]`.
public struct TokenBatch: Hashable, Sendable {
  /// (sequence, position), row by row.
  public var inputs: [Int32]
  /// (sequence, position), row by row.
  public var labels: [Int32]

  /// Batches one behind the other.
  public static func + (a: TokenBatch, b: TokenBatch) -> TokenBatch {
    TokenBatch(inputs: a.inputs + b.inputs, labels: a.labels + b.labels)
  }

  /// A row of n tokens gives n − 1 inputs and as many labels.
  public init(row: [Int32]) {
    self.init(inputs: Array(row.dropLast()), labels: Array(row.dropFirst()))
  }

  init(inputs: [Int32], labels: [Int32]) {
    self.inputs = inputs
    self.labels = labels
  }
}

/// The endless sequence of training sequences, numbered from 0, that data and a seed give.
///
/// A stream of tokens is cut into windows of T + 1 tokens, each beginning with the last token of the
/// one before, so that every token but the first is predicted once an epoch; their order is drawn
/// anew for each epoch. Rows come in the order of their file, again and again. Which sequence has
/// which number depends on nothing else: not on the plan, the batch or where a run was resumed.
public struct TokenSource: Sendable {
  public let data: TokenData
  /// Tokens that a sequence predicts.
  public let sequenceLength: Int
  public let seed: UInt64
  /// Sequences in one pass over the data.
  public let sequencesPerEpoch: Int

  /// Prepares data for training.
  ///
  /// - Throws: `ConfigurationError` for a stream that is shorter than one window, or rows of another
  ///   length.
  public init(
    _ data: TokenData, sequenceLength: Int, seed: UInt64
  ) throws(ConfigurationError) {
    precondition(sequenceLength >= 1)
    switch data {
    case .stream(let stream):
      guard stream.count > sequenceLength else {
        throw ConfigurationError(
          file: data.file,
          rule: "is too short: it has \(stream.count) tokens, and one sequence needs "
            + "\(sequenceLength + 1)")
      }
      sequencesPerEpoch = (stream.count - 1) / sequenceLength
    case .rows(let rows, let file):
      if let index = rows.firstIndex(where: { $0.count != sequenceLength + 1 }) {
        throw ConfigurationError(
          file: file, keyPath: "[\(index)]",
          rule: "has \(rows[index].count) tokens, and a sequence-length of \(sequenceLength) needs "
            + "\(sequenceLength + 1) in every row")
      }
      sequencesPerEpoch = rows.count
    }
    self.data = data
    self.sequenceLength = sequenceLength
    self.seed = seed
  }

  /// The sequence of a number; the same whenever it is asked for.
  public func sequence(_ number: Int) throws(ConfigurationError) -> TokenBatch {
    TokenBatch(row: try row(number))
  }

  /// The tokens of the sequence of a number, one more than `sequenceLength`.
  public func row(_ number: Int) throws(ConfigurationError) -> [Int32] {
    precondition(number >= 0)
    let (epoch, place) = number.quotientAndRemainder(dividingBy: sequencesPerEpoch)
    switch data {
    case .rows(let rows, _): return rows[place]
    case .stream(let stream):
      let order = SeededPermutation(count: sequencesPerEpoch, seed: seed, stream: UInt64(epoch))
      let start = order[place] * sequenceLength
      return try stream.tokens(in: start..<start + sequenceLength + 1)
    }
  }

  /// A microbatch of a step.
  ///
  /// - Parameters:
  ///   - index: the microbatch's number in the step, counted over all data ranks.
  ///   - size: sequences in a microbatch.
  ///   - position: sequences that earlier steps have used.
  public func microbatch(
    _ index: Int, size: Int, position: Int
  ) throws(ConfigurationError) -> TokenBatch {
    var batch = TokenBatch(inputs: [], labels: [])
    for number in 0..<size { batch = batch + (try sequence(position + index * size + number)) }
    return batch
  }

  /// What tells this data from other data, for resuming: form, length and a checksum of its ends.
  public var identity: String {
    get throws(ConfigurationError) {
      var sum = Checksum()
      func add(_ tokens: [Int32]) { tokens.withUnsafeBytes { sum.add($0) } }
      switch data {
      case .rows(let rows, _):
        rows.forEach(add)
        return "rows \(rows.count) \(sum.text)"
      case .stream(let stream):
        let part = min(stream.count, 1 << 16)
        add(try stream.tokens(in: 0..<part))
        add(try stream.tokens(in: stream.count - part..<stream.count))
        return "stream \(stream.count) \(sum.text)"
      }
    }
  }
}

extension TokenSource {
  /// In words, how a run's data differ from those that a checkpoint was trained on, as the end of a
  /// sentence about the checkpoint.
  ///
  /// - Parameters:
  ///   - earlier: the checkpoint's `identity`.
  ///   - now: the run's.
  ///   - files: the run's.
  package static func difference(of earlier: String, from now: String, in files: [String]) -> String
  {
    let file = files.count > 1 ? "\(files[0]) and \(files.count - 1) more" : files[0]
    let (old, new) = (earlier.split(separator: " "), now.split(separator: " "))
    let beginning = "was trained on other data than \(file) holds"
    guard old.count == 3, new.count == 3 else { return beginning }
    func what(_ parts: [Substring]) -> String {
      "\(parts[1]) \(parts[0] == "stream" ? "tokens" : parts[0])"
    }
    if old[0] == new[0], old[1] == new[1] {
      return "\(beginning): \(what(old)) then and now, with other contents"
    }
    return "\(beginning): \(what(old)) then, \(what(new)) now"
  }
}

/// The sequences by which a model is evaluated, each predicted token in one of them.
public struct EvaluationSequences: Sendable {
  private let data: TokenData
  private let sequenceLength: Int
  /// Sequences there are.
  public let count: Int

  /// Rows as they are, or consecutive windows whose last may be shorter.
  ///
  /// - Throws: `ConfigurationError` if there is nothing to predict.
  public init(_ data: TokenData, sequenceLength: Int) throws(ConfigurationError) {
    precondition(sequenceLength >= 1)
    self.data = data
    self.sequenceLength = sequenceLength
    switch data {
    case .rows(let rows, _): count = rows.count
    case .stream(let stream):
      count = max(0, stream.count - 2 + sequenceLength) / sequenceLength
      guard stream.count >= 2 else {
        throw ConfigurationError(file: data.file, rule: "has no token to predict")
      }
    }
  }

  /// Sequences of the full length, which come first; the last window of a stream may be shorter.
  public var wholeCount: Int {
    switch data {
    case .rows(let rows, _): rows.firstIndex { $0.count != sequenceLength + 1 } ?? rows.count
    case .stream(let stream): (stream.count - 1) / sequenceLength
    }
  }

  /// One sequence.
  public func sequence(_ index: Int) throws(ConfigurationError) -> TokenBatch {
    TokenBatch(row: try row(index))
  }

  /// The tokens of one sequence.
  public func row(_ index: Int) throws(ConfigurationError) -> [Int32] {
    precondition(0..<count ~= index)
    switch data {
    case .rows(let rows, _): return rows[index]
    case .stream(let stream):
      let start = index * sequenceLength
      return try stream.tokens(in: start..<min(stream.count, start + sequenceLength + 1))
    }
  }
}

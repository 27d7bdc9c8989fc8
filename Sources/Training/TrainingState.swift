/// Where a run stands between two steps: what is needed beside weights and moments to go on.
public struct TrainingState: Hashable, Sendable {
  /// Optimizer updates that were made.
  public var step: Int
  /// Sequences that were trained on, which is the position in the data.
  public var sequences: Int
  /// Tokens that were predicted.
  public var tokens: Int
  /// The seed that orders the data.
  public var seed: UInt64
  /// What tells the data from other data: `TokenSource.identity`.
  public var data: String

  /// The state at the start of a run.
  public init(
    step: Int = 0, sequences: Int = 0, tokens: Int = 0, seed: UInt64 = 0, data: String = ""
  ) {
    self.step = step
    self.sequences = sequences
    self.tokens = tokens
    self.seed = seed
    self.data = data
  }
}

extension TrainingState {
  /// The text of `state.json`.
  var text: String {
    """
    {
      "step": \(step),
      "sequences": \(sequences),
      "tokens": \(tokens),
      "seed": "\(seed)",
      "data": \(JSONValue.quoted(data))
    }

    """
  }

  /// Reads `state.json`.
  init(_ bytes: [UInt8], file: String) throws(CheckpointError) {
    let table = try JSONValue(bytes, of: file)
    func count(_ key: String) throws(CheckpointError) -> Int {
      guard let number = table[key]?.number, number >= 0 else {
        throw CheckpointError(.damaged, file: file, rule: "has no \(key)")
      }
      return number
    }
    guard let seed = table["seed"]?.text.flatMap({ UInt64($0) }), let data = table["data"]?.text
    else { throw CheckpointError(.damaged, file: file, rule: "has no seed or no data") }
    self.init(
      step: try count("step"), sequences: try count("sequences"), tokens: try count("tokens"),
      seed: seed, data: data)
  }
}

extension JSONValue {
  /// Reads the JSON of a checkpoint's file.
  init(_ bytes: [UInt8], of file: String) throws(CheckpointError) {
    do throws(Failure) {
      try self.init(bytes)
    } catch {
      throw CheckpointError(
        .damaged, file: file, rule: "\(error.rule), at byte \(error.offset)")
    }
  }
}

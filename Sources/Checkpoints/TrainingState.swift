import Documents

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
  /// Which run this is: `RunFile.identity`; empty in checkpoints of an older sluice.
  public var run: String
  /// Which weights the first step was made from: `CheckpointReader.weightsIdentity` of `model.checkpoint`;
  /// empty where they were drawn, came from another program, or an older sluice wrote this.
  public var begunFrom: String
  /// What else made the numbers what they are; empty in checkpoints of an older sluice.
  public var settings: RunSettings

  /// The state at the start of a run.
  public init(
    step: Int = 0, sequences: Int = 0, tokens: Int = 0, seed: UInt64 = 0, data: String = "",
    run: String = "", begunFrom: String = "", settings: RunSettings = RunSettings()
  ) {
    self.step = step
    self.sequences = sequences
    self.tokens = tokens
    self.seed = seed
    self.data = data
    self.run = run
    self.begunFrom = begunFrom
    self.settings = settings
  }
}

extension TrainingState {
  /// The text of `state.json`.
  var text: String {
    let lines = settings.settings.map {
      "    \(JSONValue.quoted($0.name)): \(JSONValue.quoted($0.value))"
    }
    return """
      {
        "step": \(step),
        "sequences": \(sequences),
        "tokens": \(tokens),
        "seed": "\(seed)",
        "data": \(JSONValue.quoted(data)),
        "run": \(JSONValue.quoted(run)),
        "begun-from": \(JSONValue.quoted(begunFrom)),
        "settings": {
      \(lines.joined(separator: ",\n"))
        }
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
    var settings = RunSettings()
    for entry in table["settings"]?.entries ?? [] {
      guard let value = entry.value.text else {
        throw CheckpointError(.damaged, file: file, rule: "has no text for \(entry.key)")
      }
      settings.settings.append(.init(name: entry.key, value: value))
    }
    self.init(
      step: try count("step"), sequences: try count("sequences"), tokens: try count("tokens"),
      seed: seed, data: data, run: table["run"]?.text ?? "",
      begunFrom: table["begun-from"]?.text ?? "", settings: settings)
  }
}

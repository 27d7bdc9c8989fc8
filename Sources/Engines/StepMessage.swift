/// One message of a step, by numbers of the world: what both worlds write down of it.
///
/// Messages order by what they are for, then by who sends them to whom, so that two sorted lists show
/// where they part.
public struct StepMessage: Hashable, Sendable {
  /// What a message is for.
  public enum Kind: UInt8, Hashable, Sendable, CaseIterable {
    case pipeline, counts, dispatch, combine, combineBackward, dispatchBackward
    case reduction, gather
  }

  public var kind: Kind
  /// The stage whose program or boundary it belongs to, on the rank that sends it.
  public var stage: Int
  /// −1 where it belongs to the step as a whole.
  public var microbatch: Int
  /// Tells messages of a kind and stage apart: the boundary (0 for activations, 1 for gradients), the
  /// exchange in the stage, or the raw value of the group that reduces or gathers.
  public var number: Int
  public var source: Int
  public var destination: Int
  public var bytes: Int

  /// A message of any kind.
  public init(
    _ kind: Kind, stage: Int, microbatch: Int = -1, number: Int, from source: Int,
    to destination: Int, bytes: Int
  ) {
    self.kind = kind
    self.stage = stage
    self.microbatch = microbatch
    self.number = number
    self.source = source
    self.destination = destination
    self.bytes = bytes
  }

  /// How many numbers a message is.
  public static let numberCount = 7

  /// The message as whole numbers, in the order in which messages are sorted.
  public var numbers: [Int] {
    [Int(kind.rawValue), stage, microbatch, number, source, destination, bytes]
  }

  /// Reads back what `numbers` gave.
  public init(numbers: some Collection<Int>) {
    let all = Array(numbers)
    precondition(all.count == Self.numberCount, "a message has so many numbers")
    guard let kind = UInt8(exactly: all[0]).flatMap(Kind.init(rawValue:)) else {
      preconditionFailure("no kind of message has the number \(all[0])")
    }
    self.init(
      kind, stage: all[1], microbatch: all[2], number: all[3], from: all[4], to: all[5],
      bytes: all[6])
  }
}

extension StepMessage: Comparable {
  public static func < (left: StepMessage, right: StepMessage) -> Bool {
    left.numbers.lexicographicallyPrecedes(right.numbers)
  }
}

extension StepMessage: CustomStringConvertible {
  /// For example `dispatch 0 of stage 1, microbatch 3: 512 bytes from rank 2 to rank 3`.
  public var description: String {
    let place = microbatch < 0 ? "" : ", microbatch \(microbatch)"
    return
      "\(kind) \(number) of stage \(stage)\(place): \(bytes) bytes from rank \(source) to rank \(destination)"
  }
}

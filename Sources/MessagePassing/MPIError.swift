/// What a rank has under way: a message to or from one peer, or a collective.
public struct PendingOperation: Hashable, Sendable {
  /// The kinds of operation that a rank can wait for.
  public enum Kind: String, Hashable, Sendable {
    case send, receive, barrier, broadcast
    case allReduce = "all-reduce"
    case reduceScatter = "reduce-scatter"
    case allGather = "all-gather"
    case allToAll = "all-to-all"
    /// Another rank's part of a checkpoint that is written behind the steps; its step is the tag.
    case checkpoint
  }

  /// What is being done.
  public var kind: Kind
  /// The waiting rank, numbered in the world.
  public var rank: Int
  /// The other rank, numbered in the world; nil for a collective, which waits for its whole group.
  public var peer: Int?
  /// The message's tag, 0 for a collective.
  public var tag: Int
  /// The size of the message or of the collective's own buffer.
  public var bytes: Int

  /// Describes one operation; ranks are numbered in the world.
  public init(_ kind: Kind, rank: Int, peer: Int?, tag: Int, bytes: Int) {
    self.kind = kind
    self.rank = rank
    self.peer = peer
    self.tag = tag
    self.bytes = bytes
  }
}

extension PendingOperation: CustomStringConvertible {
  /// For example `rank 0 waits for rank 3 (receive, tag 7, 4096 bytes)`.
  public var description: String {
    if kind == .checkpoint, let peer {
      "rank \(rank) waits for rank \(peer) (its part of the checkpoint of step \(tag))"
    } else if let peer {
      "rank \(rank) waits for rank \(peer) (\(kind.rawValue), tag \(tag), \(bytes) bytes)"
    } else {
      "rank \(rank) waits for its group (\(kind.rawValue), \(bytes) bytes)"
    }
  }
}

/// Why a message did not get through.
///
/// After such an error the world is of no further use: the ranks no longer agree on what comes next.
public enum MPIError: Error, Hashable, Sendable {
  /// A call failed; the text is the message-passing library's own.
  case failed(call: String, rank: Int, text: String)
  /// An operation did not end in time; `others` says what is known of the other ranks.
  case timedOut(PendingOperation, after: Duration, others: [String])
  /// A message was longer than the buffer that was to receive it.
  case tooLong(PendingOperation, messageBytes: Int)
  /// Another rank failed and ended the world.
  case worldEnded(by: Int, reason: String)
}

extension MPIError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .failed(let call, let rank, let text):
      return "\(call) failed on rank \(rank): \(text)"
    case .timedOut(let operation, let duration, let others):
      let known = others.map { "; \($0)" }.joined()
      return "\(operation): not done after \(seconds(duration)) s\(known)"
    case .tooLong(let operation, let messageBytes):
      return "\(operation): the message has \(messageBytes) bytes"
    case .worldEnded(let rank, let reason):
      return "rank \(rank) ended the run: \(reason)"
    }
  }

  /// Seconds with up to three decimals, without trailing zeros.
  private func seconds(_ duration: Duration) -> String {
    let milliseconds = Int((duration / .milliseconds(1)).rounded())
    guard milliseconds % 1000 != 0 else { return "\(milliseconds / 1000)" }
    var decimals = String(milliseconds % 1000 + 1000).dropFirst()
    while decimals.last == "0" { decimals.removeLast() }
    return "\(milliseconds / 1000).\(decimals)"
  }
}

/// What came of a value in a file: what was computed, or why it was refused.
public enum TrialOutcome<Figures: Equatable> {
  case figures(Figures)
  case refused(String)
}

/// What a key does.
public enum Verdict: Equatable {
  /// A change moves a figure.
  case acts
  /// Every change is refused, one of them with this message.
  case isRefused(String)
  /// A change is admitted and nothing moves; another is refused with this message.
  case limits(String)
  /// Changes are admitted and nothing moves.
  case isIgnored
  /// The reference has the key and no reader asks for it.
  case isUnread(String)
  /// The reference does not have the key.
  case isUnknown
}

/// Scenes in which keys are tried, with the figures that they have as they are.
public struct Trial<Figures: Equatable> {
  /// Computes the figures of a scene, with one value replaced as `--set` does it.
  public typealias Scene = (_ change: String?) throws -> TrialOutcome<Figures>

  /// The scene where a key acted last comes first: the keys beside it mostly act there, too.
  ///
  /// The order decides nothing else. One reader reads the file in every scene, so that a key that nobody
  /// asks for is refused in all of them alike.
  private var scenes: [(outcome: Scene, figures: Figures)]

  /// A scene that is refused as it is.
  public struct Refusal: Error {
    public var message: String
  }

  public init(_ scenes: [Scene]) throws {
    self.scenes = try scenes.map { scene in
      switch try scene(nil) {
      case .figures(let figures): return (scene, figures)
      case .refused(let message): throw Refusal(message: message)
      }
    }
  }

  /// Tries other values of a leaf until a figure moves.
  public mutating func verdict(_ leaf: Leaf, among changes: [String]) throws -> Verdict {
    var refusal: String?
    var isAdmitted = false
    // The likeliest change in every scene, then the next: most keys act in one scene or another.
    for change in changes {
      for (place, (outcome, figures)) in scenes.enumerated() {
        switch try outcome("\(leaf.path)=\(change)") {
        case .figures(let changed):
          if changed != figures {
            scenes.insert(scenes.remove(at: place), at: 0)
            return .acts
          }
          isAdmitted = true
        case .refused(let message):
          let isUnread = ["unknown key", "no meaning here", "nothing reads"]
            .contains { message.contains("\(leaf.path): \($0)") }
          if isUnread { return .isUnread(message) }
          refusal = refusal ?? message
        }
      }
    }
    guard let refusal else { return .isIgnored }
    return isAdmitted ? .limits(refusal) : .isRefused(refusal)
  }
}

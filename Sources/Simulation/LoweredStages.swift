import Models
import Programs
import Synchronization

/// The programs of stages that were lowered last, for further steps whose stages are the same.
///
/// Steps that differ in the speed of their cluster, in the load of their experts or in their batch alone
/// have the same programs. They are kept until a stage of another model or setting is asked for.
public struct LoweredStages: Sendable {
  private var architecture: Architecture?
  private var setting: LoweringSetting?
  private var programs: [[Unit]: StageProgram] = [:]
  /// What steps of a search share; nil where there are no others.
  let book: LoweringBook?

  /// Nothing is lowered yet.
  public init() { book = nil }

  /// What others have lowered is taken from a book, and written there.
  public init(sharing book: LoweringBook) { self.book = book }

  /// The program of a stage: one that is kept, or a new one.
  ///
  /// - Parameter shape: what of its units decides the program.
  mutating func program(
    of units: [Unit], shape: [UnitShape], _ architecture: Architecture, _ setting: LoweringSetting
  ) -> StageProgram {
    if let book {
      return book.program(shape, setting) {
        StageProgram(units: units, of: architecture, setting)
      }
    }
    if architecture != self.architecture || setting != self.setting {
      (self.architecture, self.setting, programs) = (architecture, setting, [:])
    }
    if let program = programs[units] { return program }
    let program = StageProgram(units: units, of: architecture, setting)
    programs[units] = program
    return program
  }
}

/// Programs of stages of one model for the steps of several threads; the last ones are kept.
public final class LoweringBook: Sendable {
  private struct Key: Hashable {
    var shape: [UnitShape]
    var setting: LoweringSetting
  }

  private struct Pages {
    var programs: [Key: StageProgram] = [:]
    var order: [Key] = []
    /// Units of all of them.
    var units = 0
  }

  /// Units whose programs are kept: those of 20 layers are about a megabyte.
  private static let most = 2_000
  private let pages = Mutex(Pages())
  /// Prices that the same steps share.
  let prices = PriceBook()

  /// Nothing is lowered yet.
  public init() {}

  func program(
    _ shape: [UnitShape], _ setting: LoweringSetting, _ make: () -> StageProgram
  ) -> StageProgram {
    let key = Key(shape: shape, setting: setting)
    if let known = pages.withLock({ $0.programs[key] }) { return known }
    let program = make()
    pages.withLock { pages in
      guard pages.programs.updateValue(program, forKey: key) == nil else { return }
      pages.order.append(key)
      pages.units += shape.count
      while pages.units > Self.most, pages.order.count > 1 {
        let oldest = pages.order.removeFirst()
        pages.programs[oldest] = nil
        pages.units -= oldest.shape.count
      }
    }
    return program
  }
}

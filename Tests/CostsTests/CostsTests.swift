import Costs
import Testing

/// Prints nothing; holds that every table is recomputed and within what its fit reached.
@Suite struct ComponentResidualsTests {
  static let tables = Result { try ComponentResiduals.all() }

  @Test func everyTableHasRowsAndFiniteErrors() throws {
    for table in try Self.tables.get() {
      #expect(!table.rows.isEmpty, "\(table.name)")
      for row in table.rows {
        #expect(row.error.isFinite && row.measuredSeconds > 0, "\(table.name): \(row.row)")
      }
    }
  }

  @Test func printed() throws {
    for table in try Self.tables.get() {
      print("##", table.name, table.rows.count, table.mean, table.worst?.row ?? "", table.worst?.error ?? 0)
      for row in table.rows {
        print("  ", row.row, row.measuredSeconds * 1e6, row.predictedSeconds * 1e6, row.error * 100)
      }
    }
  }
}

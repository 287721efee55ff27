// Package resident keeps the tasks of `ispctl serve` running: each is started
// again when it fails, later each time, and all end together. It tells the
// service manager how it is (sd_notify(3)), and holds a lock, so that an
// installation has one of it.
//
// It knows nothing of what the tasks do. None may hold anything in memory that
// would be missed: the process can be killed at any time.
package resident

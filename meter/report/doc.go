// Package report is the monthly report: what a tenant or a zone used in a month
// and what it costs, as a table, CSV, JSON, a page of HTML and a PDF. It is
// pure: figures in, bytes out.
//
// Every format is written from the same texts, which [Report] makes of its
// figures once, so that they agree to the byte. The JSON has the figures
// themselves.
package report

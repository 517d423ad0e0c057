// Package docs holds the documentation to its word: its tests run every command
// of README.md and of the pages below configs against real processes, give every
// document to the decoder, and follow every link.
//
// A page is told how to be run by comments before its blocks, which readers do
// not see:
//
//	<!-- world: shop -->          the page needs a node with shop.yaml, two versions and traffic
//	<!-- skip: reason -->         the block cannot be run here
//	<!-- file: canary.yaml -->    the block is saved under this name for those that follow
//	<!-- fragment: service -->    the block is a part of a document of this kind
//	<!-- exit: 1 -->              the last command of the block ends with this code
//	<!-- before: command -->      the command is run first, once
//	<!-- until: command -->       the block waits until the command succeeds
package docs

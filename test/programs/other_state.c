/* A program that could supervise, with a state of another version than this one's. */
#include "molt.h"
#include "supervisor/upgrade_state.h"

mo_versions mo_upgrade_versions = { 999, 999 };

int main(void)
{
	return molt_wait();
}
